// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// ownSecrets restricts the operator to Secrets with API keys. RBAC cannot: it knows no types of Secrets, so the role of the operator
// covers all of them. Without this guardrail, a client with a stolen token of the operator could create a service account token
// Secret for a privileged account and read the token, or delete every Secret of the cluster.
//
// This is the only guardrail with a rule for DELETE, and it fails closed like the others. It never blocks a deletion by another user,
// because the expression compares the name of the user first.
func ownSecrets(operator ServiceAccount) Guardrail {
	return newGuardrail("operator", "The operator creates, changes and deletes only Secrets with "+
		"API keys.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: requests("", "v1", "secrets",
			admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete),
		Variables: []variable{operator.variable(operatorVariable)},
		Validations: []validation{forbidden(
			"request.userInfo.username != variables.operator || (request.operation == 'DELETE' ? oldObject : object).type == "+quoted(v1alpha1.SecretType),
			`variables.operator + ' may create, change and delete only Secrets of type `+v1alpha1.SecretType+`, and this one in namespace "' + `+
				`request.namespace + `+
				`'" is of type "' + string((request.operation == 'DELETE' ? oldObject : object).type) + '": if the operator did not send this request, `+
				`its token may be stolen.'`)},
	})
}
