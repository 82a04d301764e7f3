// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func expiryMissing(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	if spec.Expiry == nil || !spec.Expiry.Required || spec.Expiry.Default != "" || ExpiresAt(key) != nil {
		return ""
	}

	return "demands an expiry: set spec.expiresAt or spec.validFor."
}

func expiryTooLate(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	declared, latest := ExpiresAt(key), longest(spec, key)
	if declared == nil || latest == nil || !latest.Before(declared) {
		return ""
	}
	limit := fmt.Sprintf("lets a key live at most %s from its creation: ", spec.Expiry.Maximum)
	if key.Spec.ExpiresAt != nil {
		return limit + "spec.expiresAt is later."
	}

	return fmt.Sprintf("%sspec.validFor is %s.", limit, key.Spec.ValidFor)
}

// expiryInForce is when a key stops, by its spec and by the policies for its namespace; nil: never.
//
// It is fixed when the spec is acted on: when the first key is handed out, and whenever the spec has changed. A policy
// that changes between those moves no living key's end, neither way: Compliant reports it. And when the end is fixed anew,
// policies hold it back but bring it no closer than it was: only spec does that, or an edit of displayName would end a key.
func expiryInForce(key *v1alpha1.APIKey, policies []*v1alpha1.APIKeyPolicy) *metav1.Time {
	switch {
	case key.Status.LastRotation == nil:
		return expiryByPolicy(key, policies)
	case key.Generation == key.Status.ObservedGeneration:
		return key.Status.ExpiresAt.DeepCopy()
	default:
		return later(expiryByPolicy(key, policies), earlier(key.Status.ExpiresAt, ExpiresAt(key)))
	}
}

// expiryByPolicy is when a key stops if spec and policies are all there is to say about it: the earliest of what spec says,
// or where it says nothing the defaults, and of the maximums; nil: never.
func expiryByPolicy(key *v1alpha1.APIKey, policies []*v1alpha1.APIKeyPolicy) *metav1.Time {
	declared := ExpiresAt(key)
	end := declared
	for _, policy := range policies {
		if policy.Spec.Expiry == nil {
			continue
		}
		if declared == nil {
			end = earlier(end, afterCreation(key, policy.Spec.Expiry.Default))
		}
		end = earlier(end, longest(&policy.Spec, key))
	}

	return end
}

// longest is the latest end that a policy lets a key have; nil: any.
func longest(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) *metav1.Time {
	if spec.Expiry == nil {
		return nil
	}

	return afterCreation(key, spec.Expiry.Maximum)
}

// afterCreation is a while after a key's creation; nil: there is no such while.
func afterCreation(key *v1alpha1.APIKey, while v1alpha1.Duration) *metav1.Time {
	parsed, ok := parseDuration(while)
	if !ok {
		return nil
	}

	return wholeSecond(key.CreationTimestamp.Add(parsed))
}

// overAge is when the active key gets older than a policy lets it; nil: never.
func overAge(key *v1alpha1.APIKey, policy *v1alpha1.APIKeyPolicy) *metav1.Time {
	active, maximum := activeRecord(key.Status.Keys), maximumAge(&policy.Spec)
	if active == nil || maximum == 0 || every(key) > 0 {
		return nil
	}

	return wholeSecond(active.CreatedAt.Add(maximum.Truncate(time.Second)))
}
