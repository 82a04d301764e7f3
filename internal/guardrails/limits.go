// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// limits enforces APIKeyPolicies. internal/policy defines what they demand. The API server evaluates the validations once for
// each APIKeyPolicy, and an APIKey must meet all of them.
func limits() Guardrail {
	return newGuardrail("limits", "Enforces the APIKeyPolicies for the namespace of an APIKey.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		ParamKind: &admissionregistrationv1.ParamKind{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKeyPolicy",
		},
		MatchConstraints: apiKeys("apikeys", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions:  []matchCondition{changed(specOrRotateChanged())},
		Variables:        policy.Variables(),
		Validations:      policy.Validations(),
	})
}
