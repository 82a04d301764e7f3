// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Selects reports whether a policy selects a namespace with the given labels. An operator that the schema does not know
// matches, in both languages, so that a mistake never frees a namespace from a policy.
func Selects(policy *v1alpha1.APIKeyPolicy, namespaceLabels map[string]string) bool {
	selector := policy.Spec.NamespaceSelector
	if selector == nil {
		return true
	}
	for name, want := range selector.MatchLabels {
		if value, found := namespaceLabels[name]; !found || value != string(want) {
			return false
		}
	}
	for i := range selector.MatchExpressions {
		if !matches(namespaceLabels, &selector.MatchExpressions[i]) {
			return false
		}
	}

	return true
}

// matches reports whether labels satisfy a requirement.
func matches(labels map[string]string, requirement *v1alpha1.NamespaceRequirement) bool {
	value, found := labels[requirement.Key]
	listed := found && slices.Contains(requirement.Values, v1alpha1.LabelValue(value))
	switch requirement.Operator {
	case v1alpha1.NamespaceLabelIn:
		return listed
	case v1alpha1.NamespaceLabelNotIn:
		return !listed
	case v1alpha1.NamespaceLabelExists:
		return found
	case v1alpha1.NamespaceLabelDoesNotExist:
		return !found
	default:
		return true
	}
}

// selectsNamespace is Selects in CEL.
const selectsNamespace = "!has(params.spec.namespaceSelector) || (" +
	"params.spec.namespaceSelector.?matchLabels.orValue({}).all(name, name in variables.labels && " +
	"variables.labels[name] == params.spec.namespaceSelector.matchLabels[name]) && " +
	"params.spec.namespaceSelector.?matchExpressions.orValue([]).all(r, " +
	"r.operator == 'In' ? r.key in variables.labels && variables.labels[r.key] in r.values : " +
	"r.operator == 'NotIn' ? !(r.key in variables.labels && variables.labels[r.key] in r.values) : " +
	"r.operator == 'Exists' ? r.key in variables.labels : " +
	"r.operator == 'DoesNotExist' ? !(r.key in variables.labels) : true))"
