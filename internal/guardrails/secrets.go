// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// secrets keeps the Secrets with API keys to the operator. Deleting one is a way to ask for a rotation, and stays with RBAC.
//
// The type of a Secret cannot change, so nobody gets around this by changing it, on the way in or out.
func secrets(operator ServiceAccount) Guardrail {
	return newGuardrail("secrets", "Only the operator makes and changes Secrets with API keys.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: requests("", "v1", "secrets", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			{Name: "holds-an-api-key", Expression: "object.type == " + quoted(v1alpha1.SecretType)},
			notASystemController(),
			// Everything but finalizers and what the API server itself writes.
			changed(differ("data", "immutable", "metadata.labels", "metadata.annotations", "metadata.ownerReferences")),
		},
		Variables: []variable{operator.variable(operatorVariable)},
		Validations: []validation{forbidden("request.userInfo.username == variables.operator",
			`request.userInfo.username + ' may not make or change a Secret of type `+v1alpha1.SecretType+` in namespace "' + request.namespace + `+
				`'": only ' + variables.operator + ' may. Declare an APIKey to have one made, or use another type. `+
				`To replace the key, delete the Secret or set the annotation `+v1alpha1.RotateAnnotation+` on its APIKey.'`)},
	})
}
