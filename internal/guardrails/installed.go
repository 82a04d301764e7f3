// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

// Operator returns the service account that an installed policy regards as the operator, or false if the policy names none.
func Operator(policy *admissionregistrationv1.ValidatingAdmissionPolicy) (ServiceAccount, bool) {
	for _, v := range policy.Spec.Variables {
		if v.Name == operatorVariable {
			return parseVariable(v.Expression)
		}
	}

	return ServiceAccount{}, false
}
