// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Expired reports whether a key has expired. It is the only definition of "expired".
//
// Expiry is final: neither a later edit of spec nor a clock that steps back revives a key, because the recorded phase and expiry
// count beside spec.
func Expired(o Observed, now time.Time) bool {
	return o.APIKey.Status.Phase == v1alpha1.PhaseExpired || reached(effectiveExpiry(o), now)
}

// effectiveExpiry returns when a key expires; nil means never. While policies are unknown, the recorded expiry stands for them.
func effectiveExpiry(o Observed) *metav1.Time {
	if o.PoliciesUnknown {
		return policy.EnforcedExpiry(o.APIKey)
	}

	return o.terms().EffectiveExpiry()
}

// recordedExpiry returns the expiry for the status; nil means never. Once a key is reported as expired, its expiry does not change.
func recordedExpiry(o Observed, now time.Time) *metav1.Time {
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

// Ended returns the final phase of an APIKey, or false while it has none. A phase that was reported stays. An APIKey that is being
// deleted, and waits for a finalizer, is Revoked.
func Ended(o Observed, now time.Time) (v1alpha1.Phase, bool) {
	apikey := o.APIKey
	switch {
	case apikey.Status.Phase.IsFinal():
		return apikey.Status.Phase, true
	case apikey.Spec.Revoked, unclaimed(o, now):
		return v1alpha1.PhaseRevoked, true
	case Expired(o, now):
		return v1alpha1.PhaseExpired, true
	case !apikey.DeletionTimestamp.IsZero(): // a deletion cannot be undone
		return v1alpha1.PhaseRevoked, true
	default:
		return "", false
	}
}

// endedForGood reports whether an APIKey that has ended cannot live in a version that the operator has not seen yet. A time that has come can be
// the end of an older spec, or the claim deadline of a key that was claimed or replaced meanwhile.
func endedForGood(apikey *v1alpha1.APIKey) bool {
	return apikey.Status.Phase.IsFinal() || apikey.Spec.Revoked || !apikey.DeletionTimestamp.IsZero()
}

// NextWake returns how long it is until the next action that no event announces; 0 means that there is none.
// An action that is due already was carried out, or it is blocked and retried.
func NextWake(o Observed, now time.Time) time.Duration {
	apikey := o.APIKey
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
	sooner(apikey.Status.ExpiresAt)
	sooner(policy.ClaimDeadline(apikey))
	sooner(rotationDue(apikey))
	sooner(o.terms().NextViolation(now)) // changes Compliant
	sooner(nextWarning(o, now))
	for i := range apikey.Status.Keys {
		if apikey.Status.Keys[i].State == v1alpha1.KeyRetiring {
			sooner(apikey.Status.Keys[i].NotAfter)
		}
	}

	return next
}

// reached reports whether a time has come; nil means never.
func reached(at *metav1.Time, now time.Time) bool {
	return at != nil && !now.Before(at.Time)
}
