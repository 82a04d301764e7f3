// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Expired says whether a key has expired. It is the only definition of it.
//
// Expiry is final, so that a later edit of the spec or a clock that steps back does not undo it: what the status has
// recorded counts beside what the spec says now.
func Expired(o Observed, now time.Time) bool {
	return o.APIKey.Status.Phase == v1alpha1.PhaseExpired || reached(effectiveExpiry(o), now)
}

// effectiveExpiry returns when a key stops by its expiry; nil means never. While policies are unknown, what they meant last stays.
func effectiveExpiry(o Observed) *metav1.Time {
	if o.PoliciesUnknown {
		return policy.EnforcedExpiry(o.APIKey)
	}

	return o.terms().EffectiveExpiry()
}

// expiryToRecord returns the expiry for the status; nil means never. Once a key is reported as expired, it stays.
func expiryToRecord(o Observed, now time.Time) *metav1.Time {
	recorded := o.APIKey.Status.ExpiresAt
	switch phase, over := Ended(o, now); {
	case !over && o.PoliciesUnknown:
		return policy.EnforcedExpiry(o.APIKey)
	case !over:
		return o.terms().FixedExpiry()
	case phase == v1alpha1.PhaseExpired && (recorded == nil || o.APIKey.Status.Phase != phase):
		return policy.Earlier(recorded, effectiveExpiry(o))
	default:
		return recorded
	}
}

// Ended says whether a key has ended for good, and how. What has been reported first stays. A key whose APIKey is being
// deleted, and waits for a finalizer, is Revoked.
func Ended(o Observed, now time.Time) (v1alpha1.Phase, bool) {
	key := o.APIKey
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
	key := o.APIKey
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
	sooner(o.terms().NextViolation(now)) // one more thing to report
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
