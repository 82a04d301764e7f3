// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Terms are the policies for the namespace of an APIKey, applied to that APIKey.
type Terms struct {
	apikey   *v1alpha1.APIKey
	policies []*v1alpha1.APIKeyPolicy // ordered by name, so that equal input gives equal answers
}

// TermsOf returns the terms of an APIKey under the policies that select its namespace. It changes neither.
func TermsOf(apikey *v1alpha1.APIKey, policies []*v1alpha1.APIKeyPolicy) Terms {
	compare := func(a, b *v1alpha1.APIKeyPolicy) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(policies, compare) {
		policies = slices.SortedFunc(slices.Values(policies), compare)
	}

	return Terms{apikey: apikey, policies: policies}
}

// Violations returns a sentence for each demand that the APIKey fails: those for which the API server would refuse to create the
// APIKey as it is, and an active key that has become too old and that no schedule replaces.
func (t Terms) Violations(now time.Time) []string {
	var sentences []string
	for _, policy := range t.policies {
		for _, d := range demands() {
			if d.violation == nil {
				continue
			}
			if violation := d.violation(&policy.Spec, t.apikey); violation != "" {
				sentences = append(sentences, about(policy, violation))
			}
		}
		if at := outgrows(policy, t.apikey); at != nil && !now.Before(at.Time) {
			sentences = append(sentences, about(policy, tooOld(&policy.Spec)))
		}
	}

	return sentences
}

// Shortcomings returns Violations, and a sentence for each policy that the expiry of a key misses that was handed out before
// the policy changed. The spec of such an APIKey violates nothing; created today, it would have another expiry.
func (t Terms) Shortcomings(expiry *metav1.Time, now time.Time) []string {
	sentences := t.Violations(now)
	if t.apikey.Status.LastRotation == nil {
		return sentences
	}
	for _, policy := range t.policies {
		if shortcoming := outdatedExpiry(&policy.Spec, t.apikey, expiry); shortcoming != "" {
			sentences = append(sentences, about(policy, shortcoming))
		}
	}

	return sentences
}

// NextViolation returns the next time after now at which the active key becomes too old for a policy; nil if there is none.
func (t Terms) NextViolation(now time.Time) *metav1.Time {
	var next *metav1.Time
	for _, policy := range t.policies {
		if at := outgrows(policy, t.apikey); at != nil && now.Before(at.Time) {
			next = Earlier(next, at)
		}
	}

	return next
}

// about returns a sentence about a policy.
func about(policy *v1alpha1.APIKeyPolicy, rest string) string {
	return `APIKeyPolicy "` + policy.Name + `" ` + rest
}
