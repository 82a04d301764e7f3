// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The parts that policies are made of.
type (
	resourceRule   = admissionregistrationv1.NamedRuleWithOperations
	matchCondition = admissionregistrationv1.MatchCondition
	variable       = admissionregistrationv1.Variable
	validation     = admissionregistrationv1.Validation
)

// apiKeys are the requests that create and update a resource of this project, such as "apikeys".
func apiKeys(resource string, operations ...admissionregistrationv1.OperationType) *admissionregistrationv1.MatchResources {
	return requests(v1alpha1.GroupName, v1alpha1.GroupVersion.Version, resource, operations...)
}

// requests are those with one of the operations on a resource.
func requests(group, version, resource string, operations ...admissionregistrationv1.OperationType) *admissionregistrationv1.MatchResources {
	return &admissionregistrationv1.MatchResources{ResourceRules: []resourceRule{{
		RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: operations,
			Rule: admissionregistrationv1.Rule{
				APIGroups: []string{group}, APIVersions: []string{version}, Resources: []string{resource},
			},
		},
	}}}
}

// changed is the match condition that lets everything pass that is not about what the policy guards: the expression compares
// object and oldObject, and a new object always matches.
func changed(expression string) matchCondition {
	return matchCondition{Name: "changed", Expression: "request.operation == 'CREATE' || " + expression}
}

// specChanged compares the specs. One that is not there, as an object from before the schema may have none, is no error.
const specChanged = "object.?spec != oldObject.?spec"

// quoted is a text as a CEL string.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// quotedList is a CEL list of strings.
func quotedList(texts ...string) string {
	for i, text := range texts {
		texts[i] = quoted(text)
	}

	return "[" + strings.Join(texts, ", ") + "]"
}

// forbidden is a validation whose refusal is 403, as that of every guardrail.
func forbidden(expression, messageExpression string) validation {
	return validation{
		Expression: expression, MessageExpression: messageExpression,
		Reason: new(metav1.StatusReasonForbidden),
	}
}

// differ says that one of these fields is not the same in object and oldObject.
func differ(fields ...string) string {
	parts := make([]string, 0, len(fields))
	for _, field := range fields {
		path := strings.ReplaceAll(field, ".", ".?")
		parts = append(parts, "object.?"+path+" != oldObject.?"+path)
	}

	return strings.Join(parts, " || ")
}
