// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The expiries of an APIKey. Each is a time, or nil for never.
//
//	DeclaredExpiry         spec.expiresAt, or spec.validFor after the creation
//	latestExpiry           the latest that one policy allows
//	Terms.GrantedExpiry    what spec and policies grant now: the declared expiry, or the earliest default, but none that is too late for a policy
//	Terms.FixedExpiry      what they granted when the operator first acted on the current spec; status.expiresAt records it
//	EnforcedExpiry         what verifiers enforce, which see no policies: the earlier of status.expiresAt and the declared expiry
//	Terms.EffectiveExpiry  what the operator enforces: the enforced expiry, or the granted one until a key is handed out

// DeclaredExpiry returns when a key expires by the spec of its APIKey, in whole seconds; nil means never.
func DeclaredExpiry(apikey *v1alpha1.APIKey) *metav1.Time {
	switch {
	case apikey.Spec.ExpiresAt != nil:
		return v1alpha1.StorableTime(apikey.Spec.ExpiresAt.Time)
	case apikey.Spec.ValidFor != "":
		validFor, _ := apikey.Spec.ValidFor.Parse() // 0 if it cannot be parsed: a key never lives longer than intended

		return v1alpha1.StorableTime(apikey.CreationTimestamp.Add(validFor))
	default:
		return nil
	}
}

// EnforcedExpiry returns when verifiers begin to refuse a key as expired; nil means never.
func EnforcedExpiry(apikey *v1alpha1.APIKey) *metav1.Time {
	return Earlier(apikey.Status.ExpiresAt, DeclaredExpiry(apikey))
}

// GrantedExpiry returns when a key expires by spec and policies as they are now; nil means never.
func (t Terms) GrantedExpiry() *metav1.Time {
	declared := DeclaredExpiry(t.apikey)
	expiry := declared
	for _, policy := range t.policies {
		if policy.Spec.Expiry == nil {
			continue
		}
		if declared == nil {
			expiry = Earlier(expiry, afterCreation(t.apikey, policy.Spec.Expiry.Default))
		}
		expiry = Earlier(expiry, latestExpiry(&policy.Spec, t.apikey))
	}

	return expiry
}

// FixedExpiry returns the expiry to record for the current spec; nil means never.
//
// The expiry is fixed when the first key is handed out, and again whenever spec changes. A policy that changes in between moves
// the expiry of no living key in either direction; Shortcomings reports the difference. When spec changes, a policy can keep the
// expiry from moving out, but only spec itself brings it closer. Otherwise an edit of displayName could end a key.
// A restored status can hold any expiry, so that of spec counts as well.
func (t Terms) FixedExpiry() *metav1.Time {
	status, declared := &t.apikey.Status, DeclaredExpiry(t.apikey)
	switch {
	case status.LastRotation == nil:
		return Earlier(t.GrantedExpiry(), declared)
	case t.apikey.Generation == status.ObservedGeneration:
		return Earlier(status.ExpiresAt.DeepCopy(), declared)
	default:
		return Earlier(later(t.GrantedExpiry(), EnforcedExpiry(t.apikey)), declared)
	}
}

// EffectiveExpiry returns when the operator regards a key as expired; nil means never. Until a key is handed out, the policies of
// today count and not those of the last attempt. An announced key can be in the Secret already, so a recorded expiry counts as well.
func (t Terms) EffectiveExpiry() *metav1.Time {
	switch {
	case t.apikey.Status.LastRotation != nil:
		return EnforcedExpiry(t.apikey)
	case len(t.apikey.Status.Keys) == 0:
		return t.GrantedExpiry()
	default:
		return Earlier(t.apikey.Status.ExpiresAt, t.GrantedExpiry())
	}
}

// ClaimDeadline returns the time from which operator and verifiers regard an APIKey as revoked, because its active key was not claimed; nil
// if the key was claimed, or its Secret stays.
func ClaimDeadline(apikey *v1alpha1.APIKey) *metav1.Time {
	var deadline *metav1.Time
	for i := range apikey.Status.Keys {
		if r := &apikey.Status.Keys[i]; r.State == v1alpha1.KeyActive {
			deadline = Earlier(deadline, r.ClaimDeadline)
		}
	}

	return deadline
}

// Earlier returns the earlier of two times; nil means never.
func Earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && b.Before(a) {
		return b
	}

	return a
}

// later returns the later of two times; nil means never.
func later(a, b *metav1.Time) *metav1.Time {
	if a == nil || b == nil {
		return nil
	}
	if a.Before(b) {
		return b
	}

	return a
}

// afterCreation returns the time a duration after the creation of an APIKey; nil if there is no duration.
func afterCreation(apikey *v1alpha1.APIKey, d v1alpha1.Duration) *metav1.Time {
	parsed, ok := d.Parse()
	if !ok {
		return nil
	}

	return v1alpha1.StorableTime(apikey.CreationTimestamp.Add(parsed))
}

// CEL has no nil time. Expressions count in seconds since 1970: Never is later than every expiry, LongAgo earlier.
const (
	Never   = math.MaxInt64
	LongAgo = 0
)

// timePattern accepts the times of the schema. An object from an older schema can hold others, which CEL cannot convert.
const timePattern = `^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`

// DeclaredExpiryCEL returns DeclaredExpiry as a CEL integer, for "object" or "oldObject". A value that cannot be read counts as unreadable.
func DeclaredExpiryCEL(object string, unreadable int64) string {
	expiresAt, validFor := object+".spec.expiresAt", object+".spec.validFor"

	return "(" + object + ".?spec.?expiresAt.hasValue()" +
		" ? (" + expiresAt + ".matches('" + timePattern + "') && !format.datetime().validate(" + expiresAt + ").hasValue()" +
		" ? int(timestamp(" + expiresAt + ")) : " + integer(unreadable) + ")" +
		" : " + object + ".?spec.?validFor.hasValue()" +
		" ? (" + validFor + ".matches('" + DurationPattern + "')" +
		" ? int(timestamp(" + object + ".metadata.creationTimestamp)) + duration(" + validFor + ").getSeconds() : " + integer(unreadable) + ")" +
		" : " + integer(Never) + ")"
}

// RecordedExpiryCEL returns status.expiresAt as a CEL integer. A policy can have set an earlier expiry than spec.
func RecordedExpiryCEL(object string) string {
	return fmt.Sprintf("(%[1]s.?status.?expiresAt.hasValue() ? int(timestamp(%[1]s.status.expiresAt)) : %[2]d)", object, int64(Never))
}

// integer returns a CEL integer.
func integer(n int64) string { return strconv.FormatInt(n, 10) }
