// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// ExpiresAt is when the key stops by what spec says, in whole seconds; nil: never.
func ExpiresAt(key *v1alpha1.APIKey) *metav1.Time {
	switch {
	case key.Spec.ExpiresAt != nil:
		return wholeSecond(key.Spec.ExpiresAt.Time)
	case key.Spec.ValidFor != "":
		// A value that admission would have refused counts as no time at all:
		// a key never lives longer than someone has said.
		validFor, _ := parseDuration(key.Spec.ValidFor)

		return wholeSecond(key.CreationTimestamp.Add(validFor))
	default:
		return nil
	}
}

// Expired says whether a key has expired. It is the only definition of it.
//
// Expiry is final, so that a later edit of the spec or a clock that steps back does not undo it: what the status has
// recorded counts beside what the spec says now.
func Expired(o Observed, now time.Time) bool {
	return o.Key.Status.Phase == v1alpha1.PhaseExpired || reached(deadline(o), now)
}

// Deadline is when a key stops by its expiry: the earlier of what the status has recorded and what the spec says now; nil: never.
func Deadline(key *v1alpha1.APIKey) *metav1.Time {
	return earlier(key.Status.ExpiresAt, ExpiresAt(key))
}

// deadline is when a key stops by its expiry as the operator sees it; nil: never. It is Deadline for a key that was handed
// out. For any other the policies of today count: nobody relies on what was recorded when its minting was last tried.
func deadline(o Observed) *metav1.Time {
	switch {
	case o.Key.Status.LastRotation != nil, o.PoliciesUnknown:
		return Deadline(o.Key)
	case len(o.Key.Status.Keys) == 0:
		return expiryByPolicy(o.Key, o.Policies)
	default: // announced: it may be in the Secret, so an expiry that has come is final
		return earlier(o.Key.Status.ExpiresAt, expiryByPolicy(o.Key, o.Policies))
	}
}

// expiryToRecord is the expiry for the status. Once it was reported as come, it stays.
func expiryToRecord(o Observed, now time.Time) *metav1.Time {
	recorded := o.Key.Status.ExpiresAt
	switch phase, over := Ended(o, now); {
	case !over && o.PoliciesUnknown:
		return Deadline(o.Key)
	case !over: // a status that came from elsewhere, a backup for instance, must not hide what spec says
		return earlier(expiryInForce(o.Key, o.Policies), ExpiresAt(o.Key))
	case phase == v1alpha1.PhaseExpired && (recorded == nil || o.Key.Status.Phase != phase):
		return earlier(recorded, deadline(o))
	default:
		return recorded
	}
}

// earlier is the earlier of two ends; nil is never, and later than any.
func earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && b.Before(a) {
		return b
	}

	return a
}

// later is the later of two ends; nil is never, and later than any.
func later(a, b *metav1.Time) *metav1.Time {
	if a == nil || b == nil {
		return nil
	}
	if a.Before(b) {
		return b
	}

	return a
}

// Ended says whether a key has ended for good, and how. What has been reported first stays. A key whose APIKey is being
// deleted, and waits for a finalizer, is Revoked.
func Ended(o Observed, now time.Time) (v1alpha1.Phase, bool) {
	key := o.Key
	switch {
	case key.Status.Phase == v1alpha1.PhaseRevoked, key.Status.Phase == v1alpha1.PhaseExpired:
		return key.Status.Phase, true
	case key.Spec.Revoked:
		return v1alpha1.PhaseRevoked, true
	case Expired(o, now):
		return v1alpha1.PhaseExpired, true
	case !key.DeletionTimestamp.IsZero(): // there is no way back from it
		return v1alpha1.PhaseRevoked, true
	default:
		return "", false
	}
}

// NextWake is how long from now something is due that no event will announce; zero: nothing is.
// What is due already has been acted on, or something else holds it up.
func NextWake(o Observed, now time.Time) time.Duration {
	key := o.Key
	if _, ended := Ended(o, now); ended {
		return 0
	}
	next := time.Duration(0)
	sooner := func(at *metav1.Time) {
		if at == nil || reached(at, now) {
			return
		}
		if wait := at.Sub(now); next == 0 || wait < next {
			next = wait
		}
	}
	sooner(key.Status.ExpiresAt)
	sooner(rotationDue(key))
	for _, policy := range o.Policies {
		sooner(overAge(key, policy)) // one more thing to report
	}
	for i := range key.Status.Keys {
		if key.Status.Keys[i].State == v1alpha1.KeyRetiring {
			sooner(key.Status.Keys[i].NotAfter)
		}
	}

	return next
}

// reached says whether a time has come; one that is not set never does.
func reached(at *metav1.Time, now time.Time) bool {
	return at != nil && !now.Before(at.Time)
}

// The seconds since the epoch that the schema lets a status hold, in whatever zone they are written.
const (
	earliest = 946684800   // 2000-01-01T00:00:00Z
	latest   = 32503679999 // 2999-12-31T23:59:59Z
)

// wholeSecond is a time as a status can hold it.
func wholeSecond(t time.Time) *metav1.Time {
	return &metav1.Time{Time: time.Unix(min(max(t.Unix(), earliest), latest), 0).UTC()}
}

// parseDuration reads a duration of the API; false: there is none, or none that admission would have let through.
func parseDuration(d v1alpha1.Duration) (time.Duration, bool) {
	parsed, err := time.ParseDuration(string(d))

	return max(parsed, 0), err == nil && parsed >= 0
}
