// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// holds reports whether the Secret holds a key whose record has a state.
func holds(o Observed, state v1alpha1.KeyState) bool { return heldRecord(o, state) != nil }

// heldRecord returns the record of the key in the Secret if the record has a state, or nil.
func heldRecord(o Observed, state v1alpha1.KeyState) *v1alpha1.KeyRecord {
	if o.Secret.State != SecretOwned || o.Secret.Digest == "" {
		return nil
	}
	records := o.APIKey.Status.Keys
	i := slices.IndexFunc(records, func(r v1alpha1.KeyRecord) bool {
		kept, ok := accountFor(o.Secret, r)

		return ok && kept.State == state && r.Digest == o.Secret.Digest
	})
	if i < 0 {
		return nil
	}

	return &records[i]
}

// activeRecord returns the record of the active key, or nil.
func activeRecord(records []v1alpha1.KeyRecord) *v1alpha1.KeyRecord {
	if i := slices.IndexFunc(records, inState(v1alpha1.KeyActive)); i >= 0 {
		return &records[i]
	}

	return nil
}

// recordOf returns the record with a digest, or nil.
func recordOf(records []v1alpha1.KeyRecord, digest string) *v1alpha1.KeyRecord {
	if i := slices.IndexFunc(records, func(r v1alpha1.KeyRecord) bool { return r.Digest == digest }); i >= 0 {
		return &records[i]
	}

	return nil
}

// hasPending reports whether a key was announced and not promoted.
func hasPending(records []v1alpha1.KeyRecord) bool {
	return slices.ContainsFunc(records, inState(v1alpha1.KeyPending))
}

// announcedAfter reports whether a key was announced after the one with a digest. Records are in the order of their announcements, and a writer
// reads the Secret before it announces its key. So a write of a key that was announced earlier has an older version of the Secret as its
// precondition, and only that of a later one can succeed.
func announcedAfter(records []v1alpha1.KeyRecord, digest string) bool {
	i := slices.IndexFunc(records, func(r v1alpha1.KeyRecord) bool { return r.Digest == digest })

	return i >= 0 && hasPending(records[i+1:])
}

// inState returns a predicate for records that have a state.
func inState(state v1alpha1.KeyState) func(v1alpha1.KeyRecord) bool {
	return func(r v1alpha1.KeyRecord) bool { return r.State == state }
}

// unknown returns a predicate for records of announced keys that this operator does not know. Verifiers accept such a key, so it must not stay
// where no minting ends it.
func unknown(o Observed) func(v1alpha1.KeyRecord) bool {
	return func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyPending && (o.Unvouched || slices.Contains(o.Undrawn, r.Digest))
	}
}

// unlapsed returns the records without Retiring ones that have ended. A Retiring record without a notAfter, or with one further
// ahead than any overlap, counts as ended.
func unlapsed(records []v1alpha1.KeyRecord, now time.Time) []v1alpha1.KeyRecord {
	latest := now.Add(v1alpha1.MaxNotAfter)

	return without(records, func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyRetiring && (r.NotAfter == nil || reached(r.NotAfter, now) || r.NotAfter.After(latest))
	})
}

// without returns a copy of the records without those that match, or nil if none is left.
func without(records []v1alpha1.KeyRecord, match func(v1alpha1.KeyRecord) bool) []v1alpha1.KeyRecord {
	var kept []v1alpha1.KeyRecord
	for _, r := range records {
		if !match(r) {
			kept = append(kept, r)
		}
	}

	return kept
}

// withdrawn returns the records without that of a key that was announced and not handed out.
func withdrawn(records []v1alpha1.KeyRecord, announced string) []v1alpha1.KeyRecord {
	return without(records, func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyPending && r.Digest == announced
	})
}

// retire returns a record as Retiring until notAfter, or until its own notAfter or claim deadline if that is earlier: a stopped key never
// works again.
func retire(r v1alpha1.KeyRecord, notAfter *metav1.Time) v1alpha1.KeyRecord {
	r.State, r.Rotation = v1alpha1.KeyRetiring, nil
	r.NotAfter = policy.Earlier(policy.Earlier(r.NotAfter, r.ClaimDeadline), notAfter).DeepCopy()
	r.ClaimDeadline = nil

	return r
}

// remaining returns the records that stay when a key is announced or the APIKey is blocked. The keys of a Secret that is gone stop at
// once: users delete a Secret to stop its key. A claimed key stays.
func remaining(o Observed, now time.Time) []v1alpha1.KeyRecord {
	live := valid(o, now)
	if o.Secret.State == SecretForeign || o.Secret.State == SecretTerminating {
		live = without(live, unknown(o)) // no writer in flight can put such a key into that Secret
	}
	if !secretGone(o) {
		return live
	}

	keep := claimed(o)

	return without(live, func(r v1alpha1.KeyRecord) bool {
		if r.State == v1alpha1.KeyPending {
			return o.Secret.State == SecretTerminating && r.Digest == o.Secret.Digest
		}

		return !keep
	})
}

// secretGone reports whether the Secret that the operator wrote is gone, even if another Secret has its name.
func secretGone(o Observed) bool {
	ref := o.APIKey.Status.SecretRef

	return o.Secret.State == SecretAbsent || o.Secret.State == SecretTerminating ||
		o.Secret.State == SecretForeign && (ref == nil || ref.UID != o.Secret.Ref.UID || !o.Secret.OurType)
}
