// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// A demand is one requirement that a policy can make of an APIKey.
type demand struct {
	// name identifies the demand in tests.
	name string
	// violation returns how an APIKey fails the demand, as the rest of a sentence that begins with the policy, or "".
	// It is nil for a demand of requests, which only the API server sees. A value of the policy that cannot be read demands
	// nothing; only an object from an older schema has one.
	violation func(*v1alpha1.APIKeyPolicySpec, *v1alpha1.APIKey) string
	// met is the CEL expression for the same demand. It also holds for an update that asks for no more than the APIKey had:
	// a policy that is created or tightened later never blocks an update that revokes, suspends, shortens or renames.
	met string
	// refusal lists CEL strings. Joined, they are the text that violation returns.
	refusal []string
	// variables are the CEL variables of this demand alone.
	variables []admissionregistrationv1.Variable
}

// demands returns the table of all demands. Refusals name the first unmet demand.
func demands() []demand {
	return []demand{
		allowedEnvironment(),
		allowedPermissions(),
		allowedRoles(),
		requiredCustomers(),
		allowedCustomers(),
		requiredExpiry(),
		maximumLifetime(),
		maximumRate(),
		maximumBurst(),
		requiredRotation(),
		maximumAge(),
		maximumOverlap(),
		maximumRequestedOverlap(),
		allowedLabels(),
		allowedAnnotations(),
	}
}

// Variables returns the CEL variables that Validations uses. The API server evaluates a variable when an expression needs it.
func Variables() []admissionregistrationv1.Variable {
	all := []admissionregistrationv1.Variable{
		{Name: "labels", Expression: "namespaceObject.metadata.?labels.orValue({})"},
		{Name: "applies", Expression: selectsNamespace},
		// The old spec, empty for a new APIKey. It is dyn because an object from an older schema need not match the current one.
		{Name: "had", Expression: "request.operation == 'CREATE' ? dyn({}) : dyn(oldObject.spec)"},
	}
	for _, d := range demands() {
		all = append(all, d.variables...)
	}

	return all
}

// Validations returns one validation for each demand. The API server evaluates all of them once for each policy.
func Validations() []admissionregistrationv1.Validation {
	all := make([]admissionregistrationv1.Validation, 0, len(demands()))
	for _, d := range demands() {
		all = append(all, admissionregistrationv1.Validation{
			Expression:        "!variables.applies || " + d.met,
			MessageExpression: `'APIKeyPolicy "' + params.metadata.name + '" ' + ` + strings.Join(d.refusal, " + "),
			Reason:            new(metav1.StatusReasonForbidden),
		})
	}

	return all
}
