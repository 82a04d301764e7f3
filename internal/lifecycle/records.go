// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// holds says whether the Secret holds a key whose record is in a state.
func holds(o Observed, state v1alpha1.KeyState) bool { return heldRecord(o, state) != nil }

// heldRecord is the record in a state of the key that the Secret holds; nil: there is none.
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

// activeRecord is the record of the active key; nil: there is none.
func activeRecord(records []v1alpha1.KeyRecord) *v1alpha1.KeyRecord {
	if i := slices.IndexFunc(records, inState(v1alpha1.KeyActive)); i >= 0 {
		return &records[i]
	}

	return nil
}

// recordOf is the record of a key; nil: there is none.
func recordOf(records []v1alpha1.KeyRecord, digest string) *v1alpha1.KeyRecord {
	if i := slices.IndexFunc(records, func(r v1alpha1.KeyRecord) bool { return r.Digest == digest }); i >= 0 {
		return &records[i]
	}

	return nil
}

// hasPending says whether a key was announced.
func hasPending(records []v1alpha1.KeyRecord) bool {
	return slices.ContainsFunc(records, inState(v1alpha1.KeyPending))
}

func inState(state v1alpha1.KeyState) func(v1alpha1.KeyRecord) bool {
	return func(r v1alpha1.KeyRecord) bool { return r.State == state }
}

// unlapsed are the records without those Retiring ones whose time has come, or that never had one that can be:
// no overlap is longer than MaxOverlap.
func unlapsed(records []v1alpha1.KeyRecord, now time.Time) []v1alpha1.KeyRecord {
	latest := now.Add(v1alpha1.MaxNotAfter)

	return without(records, func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyRetiring && (r.NotAfter == nil || reached(r.NotAfter, now) || r.NotAfter.After(latest))
	})
}

// without is a copy of the records without those that match; nil when none is left.
func without(records []v1alpha1.KeyRecord, match func(v1alpha1.KeyRecord) bool) []v1alpha1.KeyRecord {
	var kept []v1alpha1.KeyRecord
	for _, r := range records {
		if !match(r) {
			kept = append(kept, r)
		}
	}

	return kept
}

// withdrawn are the records without that of a key which was announced and not handed out.
func withdrawn(records []v1alpha1.KeyRecord, announced string) []v1alpha1.KeyRecord {
	return without(records, func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyPending && r.Digest == announced
	})
}

// retire makes a record Retiring until a time, or until the earlier one that it has already:
// a key that has stopped never starts again.
func retire(r v1alpha1.KeyRecord, notAfter *metav1.Time) v1alpha1.KeyRecord {
	r.State, r.Rotation = v1alpha1.KeyRetiring, nil
	if r.NotAfter == nil || notAfter.Before(r.NotAfter) {
		r.NotAfter = notAfter.DeepCopy()
	}

	return r
}

// remaining are the records that stay when a key is announced or the Secret turns out not to be ours.
// When the Secret is gone, so are the keys that were in it, at once: deleting a Secret is how people stop a key.
func remaining(o Observed, now time.Time) []v1alpha1.KeyRecord {
	live := valid(o, now)
	if o.Unvouched && (o.Secret.State == SecretForeign || o.Secret.State == SecretTerminating) {
		live = without(live, inState(v1alpha1.KeyPending)) // no writer can be about to put one into that Secret
	}
	if !secretGone(o) {
		return live
	}

	return without(live, func(r v1alpha1.KeyRecord) bool {
		return r.State != v1alpha1.KeyPending || o.Secret.State == SecretTerminating && r.Digest == o.Secret.Digest
	})
}

// secretGone says whether the Secret that the operator wrote is no longer there, also when another stands in its place.
func secretGone(o Observed) bool {
	ref := o.APIKey.Status.SecretRef

	return o.Secret.State == SecretAbsent || o.Secret.State == SecretTerminating ||
		o.Secret.State == SecretForeign && (ref == nil || ref.UID != o.Secret.Ref.UID || !o.Secret.OurType)
}
