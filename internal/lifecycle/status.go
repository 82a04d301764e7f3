// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Each function here is one status write of the protocol: it returns the status to write and changes nothing.

// Announced is the status before the Secret is written: a new key is Pending.
//
// Older announced keys stay: their writer may be about to put one into the Secret.
func Announced(o Observed, digest, id string, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = remaining(o, now)
	if secretGone(o) {
		s.SecretRef = nil
	}
	for len(s.Keys) >= v1alpha1.MaxKeys { // only Retiring ones are left to go: see "crowded"
		s.Keys = s.Keys[1:]
	}
	s.Keys = append(s.Keys, v1alpha1.KeyRecord{
		ID: id, Digest: digest, State: v1alpha1.KeyPending, CreatedAt: *v1alpha1.StorableTime(now), Rotation: pendingRotation(o, now),
	})
	inProgress(&s, o, now)

	return s
}

// Promoted is the status after the Secret was written: the announced key that it holds is Active, other announced ones
// are gone, and the one before it stops now or, with an overlap, later. An overlap of zero stops every older key.
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
	s.SecretRef = &ref
	rotated(&s, why, values, now)
	inPlace(&s, o, now)

	return s
}

// Settled is the status of a key that needs no effect, or whose Secret was brought up to date without a new key.
func Settled(o Observed, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys, s.RotateValues = valid(o, now), reappeared(o.APIKey)
	if o.Secret.State == SecretOwned {
		s.SecretRef = o.Secret.Ref.DeepCopy()
	}
	inPlace(&s, o, now)

	return s
}

// Fenced is the status after a fence: the announced keys are gone, because none of their writers can succeed any more.
func Fenced(o Observed, ref v1alpha1.SecretReference, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = without(remaining(o, now), inState(v1alpha1.KeyPending))
	s.SecretRef = &ref
	inProgress(&s, o, now)

	return s
}

// Closed is the status of a key that has ended for good: no record is valid any more, no Secret is left.
// The records stay, so that a verifier can say why it refuses a key, and so that the history does.
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

// Blocked is the status of a key that cannot go on until someone acts.
func Blocked(o Observed, reason, message string, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = remaining(o, now)
	if secretGone(o) {
		s.SecretRef = nil
	}
	stalled(&s, o, reason, message, now)

	return s
}

// Failure is why a step of the protocol was not carried out; it will be tried again.
type Failure struct {
	// Reason and Message are what Ready reports. An empty Reason: the failure is not worth a report yet.
	Reason, Message string
	// Announced is the digest of a key that was announced and that is certain not to be handed out; empty: there is none.
	Announced string
}

// Failed is the status of a key whose last step has failed. What has become certain nevertheless is in it, also while the
// failure itself is not reported yet: how the key has ended, that a key whose Secret is gone has stopped, and that an
// announced key was not handed out.
func Failed(o Observed, f Failure, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	phase, over := Ended(o, now)
	s.Keys = withdrawn(s.Keys, f.Announced)
	if !over {
		s.Keys = withdrawn(remaining(o, now), f.Announced)
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

// Withheld is the status of a key that was announced and then not handed out, because something that blocks it came up
// in between. Nobody was handed that key, so its record goes.
func Withheld(o Observed, announced string, block Plan, now time.Time) v1alpha1.APIKeyStatus {
	s := Blocked(o, block.Reason, block.Message, now)
	s.Keys = withdrawn(s.Keys, announced)

	return s
}
