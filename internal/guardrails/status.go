// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"reflect"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// lastUsedAt is the field of the status that is the verifier's.
const lastUsedAt = "lastUsedAt"

// status keeps the status of APIKeys to the operator, and of it lastUsedAt to the verifier: whoever writes a digest there
// makes a key of his own choosing valid.
func status(operator, verifier ServiceAccount) Guardrail {
	others := slices.DeleteFunc(statusFields(), func(field string) bool { return field == "status."+lastUsedAt })

	return newGuardrail("status", "Only the operator writes the status of APIKeys, and the verifier when one was last used.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: apiKeys("apikeys/status", admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			{Name: "changed", Expression: differ("status")},
		},
		Variables: []variable{operator.variable(operatorVariable), verifier.variable(verifierVariable)},
		Validations: []validation{
			forbidden("request.userInfo.username in [variables.operator, variables.verifier]",
				`request.userInfo.username + ' may not write the status of an APIKey in namespace "' + request.namespace + `+
					`'": verifiers believe the digests that stand there, so only ' + variables.operator + ' and, for `+lastUsedAt+`, ' + `+
					`variables.verifier + ' may.'`),
			forbidden("request.userInfo.username != variables.verifier || !("+differ(others...)+")",
				`request.userInfo.username + ' may write nothing but `+lastUsedAt+` in the status of an APIKey: the rest is for ' + variables.operator + '.'`),
		},
	})
}

// statusFields are the paths of the fields of the status, read off the type so that none can be forgotten.
func statusFields() []string {
	fields := reflect.VisibleFields(reflect.TypeFor[v1alpha1.APIKeyStatus]())
	paths := make([]string, 0, len(fields))
	for _, field := range fields {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		paths = append(paths, "status."+name)
	}

	return paths
}
