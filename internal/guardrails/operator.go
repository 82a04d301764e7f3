// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// ownSecrets keeps the operator to Secrets with API keys. RBAC cannot: it knows no types of Secrets, so the role of the operator
// covers all of them. Without this, a stolen token of the operator creates a service account token Secret for a privileged
// account and reads the token that the cluster fills in, or deletes the Secrets of the cluster.
//
// This is the only guardrail with a rule for DELETE, and it fails closed like the others. It cannot keep other users from
// deleting a Secret: the expression compares their name first and looks at nothing else.
func ownSecrets(operator ServiceAccount) Guardrail {
	return newGuardrail("operator", "The operator makes, changes and deletes no Secrets but those with API keys.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: requests("", "v1", "secrets",
			admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete),
		Variables: []variable{operator.variable(operatorVariable)},
		Validations: []validation{forbidden(
			"request.userInfo.username != variables.operator || (request.operation == 'DELETE' ? oldObject : object).type == "+quoted(v1alpha1.SecretType),
			`variables.operator + ' may make, change and delete Secrets of type `+v1alpha1.SecretType+` only, and this one in namespace "' + request.namespace + `+
				`'" is of type "' + string((request.operation == 'DELETE' ? oldObject : object).type) + '": if the operator did not ask for this, its token is in other hands.'`)},
	})
}
