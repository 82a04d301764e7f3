// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Each exported function returns the status of one status write of the protocol and changes nothing.

// Announced returns the status before the Secret is written: the record of the new key is Pending.
//
// Records of keys that were announced before stay, because a writer in flight may still put one of them into the Secret.
func Announced(o Observed, digest, id string, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = remaining(o, now)
	if secretGone(o) {
		s.SecretRef = nil
	}
	for len(s.Keys) >= v1alpha1.MaxKeys { // the oldest are Retiring: the check "crowded" fences Pending ones
		s.Keys = s.Keys[1:]
	}
	s.Keys = append(s.Keys, v1alpha1.KeyRecord{
		ID: id, Digest: digest, State: v1alpha1.KeyPending, CreatedAt: *v1alpha1.StorableTime(now), Rotation: pendingRotation(o, now),
		ClaimDeadline: claimDeadline(o.APIKey, now),
	})
	inProgress(&s, o, now)

	return s
}

// unexamined is the resourceVersion in a status.secretRef whose Secret has to be read again. No object has it.
const unexamined = "0"

// PromotedRef returns the status.secretRef for a Secret that was read and whose announced key is promoted. An interrupted mint has written
// that Secret. If spec has changed since, or an overlap was cut short, the Secret has to change once the key is promoted.
func PromotedRef(o Observed) v1alpha1.SecretReference {
	ref := o.Secret.Ref
	if !o.Secret.InShape || o.Secret.PreviousDigest != "" {
		ref.ResourceVersion = unexamined
	}

	return ref
}

// Promoted returns the status after the Secret was written: the record of the key in it is Active, and other Pending records are dropped.
// The previous key stops now or after the overlap. An overlap of zero stops every older key.
func Promoted(o Observed, digest string, ref v1alpha1.SecretReference, why v1alpha1.RotationTrigger, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	rotation := announcedRotation(o, recordOf(s.Keys, digest), now)
	keep, values := overlapOf(o, rotation), valuesActedOn(s.Keys, digest, rotation)

	var records []v1alpha1.KeyRecord
	for _, r := range valid(o, now) {
		switch {
		case r.Digest == digest:
			r.State, r.NotAfter, r.Rotation = v1alpha1.KeyActive, nil, nil
		case r.State == v1alpha1.KeyPending || keep == 0:
			continue
		case r.State == v1alpha1.KeyActive:
			r = retire(r, v1alpha1.StorableTime(now.Add(keep)))
		}
		records = append(records, r)
	}
	s.Keys = records
	s.SecretRef, s.ClaimedAt = &ref, nil
	recordRotation(&s, why, values, now)
	inPlace(&s, o, now)

	return s
}

// Settled returns the status of an APIKey that needs no effect, or whose Secret was updated without a new key.
func Settled(o Observed, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys, s.RotateValues = valid(o, now), reappeared(o.APIKey)
	switch {
	case o.Secret.State == SecretOwned:
		s.SecretRef = o.Secret.Ref.DeepCopy()
	case claimed(o) && secretGone(o):
		s.SecretRef = nil
	}
	inPlace(&s, o, now)

	return s
}

// Fenced returns the status after a fence. It drops Pending records, because no writer of their keys can succeed any more. A Secret that does
// not hold the active key, such as an edited one, is read again: the status alone would not show that.
func Fenced(o Observed, ref v1alpha1.SecretReference, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = without(remaining(o, now), inState(v1alpha1.KeyPending))
	if !holds(o, v1alpha1.KeyActive) {
		ref.ResourceVersion = unexamined
	}
	s.SecretRef = &ref
	inProgress(&s, o, now)

	return s
}

// Closed returns the status of an APIKey that has ended: every record is retired. The records stay, so that verifiers can tell why they
// refuse a key.
func Closed(o Observed, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.SecretRef = nil
	ended(&s, o, now)
	at := v1alpha1.StorableTime(now)
	if s.Phase == v1alpha1.PhaseExpired && s.ExpiresAt != nil && s.ExpiresAt.Before(at) {
		at = s.ExpiresAt
	}
	for i := range s.Keys {
		s.Keys[i] = retire(s.Keys[i], at)
	}

	return s
}

// Blocked returns the status of an APIKey that needs an action of a user.
func Blocked(o Observed, reason, message string, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = remaining(o, now)
	if secretGone(o) {
		s.SecretRef = nil
	}
	stalled(&s, o, reason, message, now)

	return s
}

// Failure describes a step of the protocol that failed and is retried.
type Failure struct {
	// Reason and Message are those of Ready. An empty Reason means that the failure is not reported yet.
	Reason, Message string
	// Announced is the digest of an announced key that is certain not to be handed out, or "".
	Announced string
}

// Failed returns the status of an APIKey whose last step failed. Even while the failure is not reported yet, it has the facts that are
// certain: a final phase, the end of a key whose Secret is gone, and the withdrawal of an announced key.
func Failed(o Observed, f Failure, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	phase, over := Ended(o, now)
	s.Keys = withdrawn(s.Keys, f.Announced)
	if !over {
		s.Keys = withdrawn(append(heldBeyondEnd(o, now), remaining(o, now)...), f.Announced)
	}
	if !over && secretGone(o) {
		s.SecretRef = nil
	}
	switch {
	case f.Reason != "":
		retrying(&s, o, f.Reason, sameProblem(o.APIKey, f), now)
	case over && o.APIKey.Status.Phase != phase:
		ending(&s, o, now)
	case activeRecord(s.Keys) == nil && activeRecord(o.APIKey.Status.Keys) != nil:
		inProgress(&s, o, now)
	}

	return s
}

// heldBeyondEnd returns the ended records of keys that the Secret may still hold as its previous key. They stay until the Secret is without
// the key, because they make the next attempt read the Secret.
func heldBeyondEnd(o Observed, now time.Time) []v1alpha1.KeyRecord {
	if secretGone(o) {
		return nil
	}
	living := unlapsed(o.APIKey.Status.Keys, now)
	unread := o.Secret.State == SecretUnread || o.Secret.State == SecretChanged

	return without(o.APIKey.Status.Keys, func(r v1alpha1.KeyRecord) bool {
		return recordOf(living, r.Digest) != nil || !unread && r.Digest != o.Secret.PreviousDigest
	})
}

// Withheld returns the status after HoldsBack blocked an announced key. It drops the record, because the key was not handed out.
func Withheld(o Observed, announced string, block Plan, now time.Time) v1alpha1.APIKeyStatus {
	s := Blocked(o, block.Reason, block.Message, now)
	s.Keys = withdrawn(s.Keys, announced)

	return s
}
