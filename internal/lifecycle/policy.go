// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Selects says whether a policy is for the namespaces that have these labels.
func Selects(policy *v1alpha1.APIKeyPolicy, namespaceLabels map[string]string) bool {
	selector := policy.Spec.NamespaceSelector
	if selector == nil {
		return true
	}
	for name, want := range selector.MatchLabels {
		if value, there := namespaceLabels[name]; !there || value != string(want) {
			return false
		}
	}
	for i := range selector.MatchExpressions {
		if !meets(namespaceLabels, &selector.MatchExpressions[i]) {
			return false
		}
	}

	return true
}

// meets says whether labels are as a requirement has them. One that cannot be understood, which the schema lets nobody
// store, is met: a mistake never frees a namespace from a policy.
func meets(labels map[string]string, requirement *v1alpha1.NamespaceRequirement) bool {
	value, there := labels[requirement.Key]
	listed := there && slices.Contains(requirement.Values, v1alpha1.LabelValue(value))
	switch requirement.Operator {
	case v1alpha1.NamespaceLabelIn:
		return listed
	case v1alpha1.NamespaceLabelNotIn:
		return !listed
	case v1alpha1.NamespaceLabelExists:
		return there
	case v1alpha1.NamespaceLabelDoesNotExist:
		return !there
	default:
		return true
	}
}

// Violations are how a key does not meet the policies for its namespace, a sentence each: all that the API server would
// refuse if the key were created as it is, and an active key that is too old at a time and that no clock replaces.
// They are in order of the policies' names and say the same for as long as key and policies do.
func Violations(key *v1alpha1.APIKey, policies []*v1alpha1.APIKeyPolicy, now time.Time) []string {
	var sentences []string
	for _, policy := range byName(policies) {
		subject := `APIKeyPolicy "` + policy.Name + `" `
		for _, demand := range demands() {
			if sentence := demand(&policy.Spec, key); sentence != "" {
				sentences = append(sentences, subject+sentence)
			}
		}
		if reached(overAge(key, policy), now) {
			sentences = append(sentences, subject+demandedAge(&policy.Spec)+"the active one is older. Rotate it, or set spec.rotation.every.")
		}
	}

	return sentences
}

// byName are policies in the order of their names, whatever order a cache lists them in.
func byName(policies []*v1alpha1.APIKeyPolicy) []*v1alpha1.APIKeyPolicy {
	compare := func(a, b *v1alpha1.APIKeyPolicy) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(policies, compare) {
		return policies
	}

	return slices.SortedFunc(slices.Values(policies), compare)
}
