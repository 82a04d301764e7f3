// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// limits holds APIKeys to the APIKeyPolicies for their namespaces. The API server evaluates it once for each APIKeyPolicy,
// so that each is met or not by itself, and an APIKey has to meet all.
//
// Each validation is one demand. It is asked of a new APIKey, and of a changed one only where the change asks for more:
// a permission that it did not have, a later end, a higher limit. So a policy that is made or tightened later stands in
// the way of nobody who revokes, suspends, shortens or renames a key. internal/lifecycle demands the same in Go before it
// lets a key be minted, and says so in the same words.
func limits() Guardrail {
	return newGuardrail("limits", "Holds APIKeys to the APIKeyPolicies for their namespaces.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		ParamKind: &admissionregistrationv1.ParamKind{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKeyPolicy",
		},
		MatchConstraints: apiKeys("apikeys", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions:  []matchCondition{changed(specOrRotateChanged())},
		Variables:        limitVariables(),
		Validations: []validation{
			environmentAllowed(), permissionsAllowed(), rolesAllowed(),
			customersDeclared(), customersAllowed(),
			expiryDeclared(), expiryNotTooLate(),
			rateNotTooHigh(), burstNotTooLarge(),
			rotationDeclared(), rotationOftenEnough(), overlapShortEnough(), requestedOverlapShortEnough(),
			labelsAllowed(), annotationsAllowed(),
		},
	})
}

// limitVariables are what the validations of limits share. Each is evaluated when one needs it.
func limitVariables() []variable {
	return append(rotateVariables(), []variable{
		{Name: "labels", Expression: "namespaceObject.metadata.?labels.orValue({})"},
		{Name: "applies", Expression: selected},
		// What an APIKey had before; a new one had nothing. It is dyn because no schema has to hold for what was stored once.
		{Name: "had", Expression: "request.operation == 'CREATE' ? dyn({}) : dyn(oldObject.spec)"},
		{Name: "deniedPermissions", Expression: denied("permissions")},
		{Name: "deniedRoles", Expression: denied("roles")},
		{Name: "deniedCustomers", Expression: deniedCustomers},
		{Name: "deniedLabels", Expression: deniedNames("labels", "labelPrefixes")},
		{Name: "deniedAnnotations", Expression: deniedNames("annotations", "annotationPrefixes")},
		{Name: "created", Expression: "int(timestamp(object.metadata.creationTimestamp))"},
		{Name: "end", Expression: end("object", longAgo)},
		{Name: "endBefore", Expression: endBefore()},
	}...)
}

// selected says whether the policy is for the namespace: what lifecycle.Selects says in Go. An operator that the schema
// does not know is met, so that a mistake never frees a namespace from a policy.
const selected = "!has(params.spec.namespaceSelector) || (" +
	"params.spec.namespaceSelector.?matchLabels.orValue({}).all(name, name in variables.labels && " +
	"variables.labels[name] == params.spec.namespaceSelector.matchLabels[name]) && " +
	"params.spec.namespaceSelector.?matchExpressions.orValue([]).all(r, " +
	"r.operator == 'In' ? r.key in variables.labels && variables.labels[r.key] in r.values : " +
	"r.operator == 'NotIn' ? !(r.key in variables.labels && variables.labels[r.key] in r.values) : " +
	"r.operator == 'Exists' ? r.key in variables.labels : " +
	"r.operator == 'DoesNotExist' ? !(r.key in variables.labels) : true))"

// endBefore is the end that an APIKey had before the change. Where its spec did not say, it is the one that the operator
// recorded; without one, a key that was handed out never ended, and one that was not has nothing to lose.
func endBefore() string {
	return "request.operation == 'CREATE' ? " + longAgo + " : " +
		"has(variables.had.expiresAt) || has(variables.had.validFor) ? " + end("oldObject", longAgo) + " : " +
		"oldObject.?status.?expiresAt.hasValue() || oldObject.?status.?lastRotation.hasValue() ? " + recordedEnd("oldObject") + " : " + longAgo
}

// seconds is a duration of an APIKey in whole seconds. One that cannot be read, which was stored before the schema had a
// rule for it, counts as another number of them.
func seconds(duration string, otherwise int) string {
	return fmt.Sprintf("(%s.matches('%s') ? duration(%s).getSeconds() : %d)", duration, durationPattern, duration, otherwise)
}

// denied are the values of a list that the change adds and that the policy does not allow.
func denied(list string) string {
	return fmt.Sprintf("!has(params.spec.%[1]s) ? [] : object.spec.?%[1]s.orValue([]).filter(value, "+
		"!(value in params.spec.%[1]s) && !(value in variables.had.?%[1]s.orValue([])))", list)
}
