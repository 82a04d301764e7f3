// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// SecretName is the name of the Secret that holds the key: spec.secret.name, or else the name of the APIKey.
func (k *APIKey) SecretName() string {
	if k.Spec.Secret != nil && k.Spec.Secret.Name != "" {
		return k.Spec.Secret.Name
	}

	return k.Name
}

// SecretDataKey is the data key that holds the key in the Secret: spec.secret.key, or else SecretKeyDefault.
func (k *APIKey) SecretDataKey() string {
	if k.Spec.Secret != nil && k.Spec.Secret.Key != "" {
		return k.Spec.Secret.Key
	}

	return SecretKeyDefault
}

// SecretPreviousDataKey is the data key that holds the previous key in the Secret while an overlap runs.
func (k *APIKey) SecretPreviousDataKey() string { return SecretPreviousKeyPrefix + k.SecretDataKey() }

// DeliversOnce reports whether the Secret exists only until the key is claimed.
func (k *APIKey) DeliversOnce() bool {
	return k.Spec.Secret != nil && k.Spec.Secret.Delivery == DeliveryOnce
}

// IsFinal reports whether a phase never changes: Revoked and Expired.
func (p Phase) IsFinal() bool { return p == PhaseRevoked || p == PhaseExpired }

// ClaimPeriod returns how long a key that is minted now may be claimed: spec.secret.claimBefore, or else ClaimBeforeDefault. A value out of
// the bounds of the schema, which only an object from an older schema can have, never gives more than MaxClaimBefore.
func (k *APIKey) ClaimPeriod() time.Duration {
	if k.Spec.Secret == nil {
		return ClaimBeforeDefault
	}
	period, ok := k.Spec.Secret.ClaimBefore.Parse()
	if !ok || period < time.Second {
		return ClaimBeforeDefault
	}

	return min(period, MaxClaimBefore)
}

// The bounds that the schema sets a rate limit.
const (
	maxRateLimitRequests = 1_000_000
	maxRateLimitPeriod   = 24 * time.Hour
)

// Effective returns the rate limit as operator and verifiers apply it: whole seconds, values within the bounds of the schema, and
// a burst that equals requests where none is set. A period below 1s or that cannot be parsed, which only an object from an older
// schema can have, counts as the longest period, so that a mistake never allows a key more than intended.
func (l *RateLimit) Effective() (requests, burst int32, per time.Duration) {
	per, _ = l.Per.Parse()
	if per = min(per.Truncate(time.Second), maxRateLimitPeriod); per == 0 {
		per = maxRateLimitPeriod
	}
	requests = min(max(l.Requests, 1), maxRateLimitRequests)
	burst = requests
	if l.Burst > 0 {
		burst = min(l.Burst, maxRateLimitRequests)
	}

	return requests, burst, per
}
