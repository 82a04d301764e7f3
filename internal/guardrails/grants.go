// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// The longest lists of an APIKey, as the CRD says. There is one validation for each element: a check of the authorizer costs 350,000 of
// the 1,000,000 of an expression and of the 10,000,000 of a binding.
const (
	maxPermissions = 16
	maxRoles       = 8
)

// The verbs that the authorizer checks. No request has them; only roles name them.
const (
	// verbGrant on permissions/<name> or roles/<name> is the right to put that permission or role on an APIKey.
	verbGrant = "grant"
	// verbUse on environments/<name> is the right to create an APIKey for that environment.
	verbUse = "use"
	// verbAssign on owners/<name> is the right to create an APIKey for that owner.
	verbAssign = "assign"
)

// grants asks the authorizer whether the author of an APIKey may give it its permissions, roles, environment and owner.
//
// An update is asked about what it adds, and about everything if it widens the APIKey: a later expiry, a new key, a longer overlap, a
// resumed key, more customers, or other labels on its Secret, on which other programs act. Otherwise every editor of APIKeys could
// renew for ever what another user was trusted with.
func grants() Guardrail {
	spec := admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: apiKeys("apikeys", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			changed(specOrRotateChanged()),
		},
		Variables: slices.Concat(widenings(), grantVariables(), policy.RotateRequestVariables()),
	}
	spec.Validations = append(spec.Validations, rotateAnnotationReadable(), useOfEnvironment())
	for i := range maxPermissions {
		spec.Validations = append(spec.Validations, grantOf("permission", "permissions", i))
	}
	for i := range maxRoles {
		spec.Validations = append(spec.Validations, grantOf("role", "roles", i))
	}
	spec.Validations = append(spec.Validations, assignmentOfOwner())

	return newGuardrail("grants", "The author of an APIKey needs a grant for each permission and role that it gets, for its environment and for "+
		"its owner.", spec)
}

// grantVariables returns the values that an APIKey has and had.
func grantVariables() []variable {
	had := func(field, none string) string {
		return "variables.created ? " + none + " : oldObject.?spec.?" + field + ".orValue(" + none + ")"
	}

	return []variable{
		{Name: "permissions", Expression: "object.?spec.?permissions.orValue([])"},
		{Name: "hadPermissions", Expression: had("permissions", "[]")},
		{Name: "roles", Expression: "object.?spec.?roles.orValue([])"},
		{Name: "hadRoles", Expression: had("roles", "[]")},
		{Name: "environment", Expression: "object.?spec.?environment.orValue('')"},
		{Name: "owner", Expression: "object.?spec.?owner.orValue('')"},
		{Name: "hadOwner", Expression: had("owner", "''")},
	}
}

// grantOf returns the validation of the i-th element of a list.
func grantOf(what, list string, i int) validation {
	element := fmt.Sprintf("variables.%s[%d]", list, i)
	had := element + " in variables.had" + map[string]string{"permissions": "Permissions", "roles": "Roles"}[list]
	rule := validation{
		Expression: fmt.Sprintf("size(variables.%s) <= %d || (%s && variables.widening == '') || %s",
			list, i, had, allowed(list, element, verbGrant)),
		// The API server evaluates the message even without such an element. That fails, which matters only for a refusal.
		MessageExpression: refusal(
			fmt.Sprintf(`(%s ? variables.widening + ' an APIKey that has %s "' : 'put %s "')`, had, what, what), element,
			fmt.Sprintf(`(%s ? '"' : '" on an APIKey')`, had),
			list, verbGrant),
	}

	return forbidden(rule.Expression, rule.MessageExpression)
}

// useOfEnvironment returns the validation of the environment, which never changes.
func useOfEnvironment() validation {
	return forbidden(
		"(!variables.created && variables.widening == '') || "+allowed("environments", "variables.environment", verbUse),
		refusal(
			`(variables.created ? 'create' : variables.widening) + ' an APIKey for environment "'`, "variables.environment", `'"'`,
			"environments", verbUse))
}

// assignmentOfOwner returns the validation of the owner. Every user may create keys for themselves.
func assignmentOfOwner() validation {
	had := "variables.owner == variables.hadOwner"

	return forbidden(
		fmt.Sprintf("variables.owner == '' || (%s && variables.widening == '') || variables.owner == request.userInfo.username || %s",
			had, allowed("owners", "variables.owner", verbAssign)),
		refusal(
			fmt.Sprintf(`(%s ? variables.widening : 'create') + ' an APIKey for owner "'`, had), "variables.owner", `'"'`,
			"owners", verbAssign))
}

// allowed returns a check of the authorizer for a verb on a named resource in the namespace of the APIKey.
func allowed(resource, name, verb string) string {
	return fmt.Sprintf("authorizer.group(%s).resource(%s).namespace(request.namespace).name(%s).check(%s).allowed()",
		quoted(v1alpha1.GroupName), quoted(resource), name, quoted(verb))
}

// refusal returns a message that names the user, the refused action and the RBAC rule that would allow it. before, name and after are
// CEL strings that together describe the action.
func refusal(before, name, after, resource, verb string) string {
	return fmt.Sprintf(`request.userInfo.username + ' may not ' + %s + %s + %s + ' in namespace "' + request.namespace + `+
		`'": that needs verb "%s" on "%s/' + %s + '". An administrator can allow it with a Role or ClusterRole that has the rule `+
		`{apiGroups: ["%s"], resources: ["%s"], resourceNames: ["' + %s + '"], verbs: ["%s"]}.'`,
		before, name, after, verb, resource, name, v1alpha1.GroupName, resource, name, verb)
}
