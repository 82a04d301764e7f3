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

// lastUsedAt is the field of the status that the verifier writes.
const lastUsedAt = "lastUsedAt"

// status reserves the status of APIKeys for the operator, and its lastUsedAt also for the verifier: a client that writes a digest makes a
// key of its own choosing valid.
func status(operator, verifier ServiceAccount) Guardrail {
	others := slices.DeleteFunc(statusFields(), func(field string) bool { return field == "status."+lastUsedAt })

	return newGuardrail("status", "Only the operator writes the status of APIKeys. The verifier writes its "+
		"lastUsedAt.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: apiKeys("apikeys/status", admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			{Name: "changed", Expression: differ("status")},
		},
		Variables: []variable{operator.variable(operatorVariable), verifier.variable(verifierVariable)},
		Validations: []validation{
			forbidden("request.userInfo.username in [variables.operator, variables.verifier]",
				`request.userInfo.username + ' may not write the status of an APIKey in namespace "' + request.namespace + `+
					`'": verifiers trust its digests, so only ' + variables.operator + ' may write it, and ' + `+
					`variables.verifier + ' may write `+lastUsedAt+`.'`),
			forbidden("request.userInfo.username != variables.verifier || !("+differ(others...)+")",
				`request.userInfo.username + ' may write only `+lastUsedAt+` in the status of an APIKey: the other fields are reserved for ' + `+
					`variables.operator + '.'`),
		},
	})
}

// statusFields returns the paths of the fields of the status. It reads them from the type, so that a new field is guarded as well.
func statusFields() []string {
	fields := reflect.VisibleFields(reflect.TypeFor[v1alpha1.APIKeyStatus]())
	paths := make([]string, 0, len(fields))
	for _, field := range fields {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		paths = append(paths, "status."+name)
	}

	return paths
}
