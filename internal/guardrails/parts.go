// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Short names of the types that a ValidatingAdmissionPolicy consists of.
type (
	resourceRule   = admissionregistrationv1.NamedRuleWithOperations
	matchCondition = admissionregistrationv1.MatchCondition
	variable       = admissionregistrationv1.Variable
	validation     = admissionregistrationv1.Validation
)

// apiKeys matches operations on a resource of this project, such as "apikeys".
func apiKeys(resource string, operations ...admissionregistrationv1.OperationType) *admissionregistrationv1.MatchResources {
	return requests(v1alpha1.GroupName, v1alpha1.GroupVersion.Version, resource, operations...)
}

// requests matches operations on a resource.
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

// changed returns the match condition that passes updates of other fields than the policy guards. The expression compares object and
// oldObject; a new object always matches.
func changed(expression string) matchCondition {
	return matchCondition{Name: "changed", Expression: "request.operation == 'CREATE' || " + expression}
}

// specChanged compares the specs. An object from before the schema may have none, which is no error.
const specChanged = "object.?spec != oldObject.?spec"

// quoted returns a text as a CEL string.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// quotedList returns a CEL list of strings.
func quotedList(texts ...string) string {
	for i, text := range texts {
		texts[i] = quoted(text)
	}

	return "[" + strings.Join(texts, ", ") + "]"
}

// forbidden returns a validation that refuses with 403, as every guardrail does.
func forbidden(expression, messageExpression string) validation {
	return validation{
		Expression: expression, MessageExpression: messageExpression,
		Reason: new(metav1.StatusReasonForbidden),
	}
}

// differ returns an expression that holds if one of the fields differs in object and oldObject.
func differ(fields ...string) string {
	comparisons := make([]string, 0, len(fields))
	for _, field := range fields {
		path := strings.ReplaceAll(field, ".", ".?")
		comparisons = append(comparisons, "object.?"+path+" != oldObject.?"+path)
	}

	return strings.Join(comparisons, " || ")
}
