// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Missing returns why guardrails are not in force for the operator with this user name, one sentence for each and always in the same
// order; nil if all are. Each needs a policy and a binding that have exactly the expected spec and are not being deleted.
// Additional policies can only refuse more, so Missing ignores them.
//
// The verifier may be any service account in the namespace of the operator: only administrators create pods there.
func Missing(
	operatorUsername string,
	policies []admissionregistrationv1.ValidatingAdmissionPolicy,
	bindings []admissionregistrationv1.ValidatingAdmissionPolicyBinding,
) []string {
	operator, ok := ParseUsername(operatorUsername)
	if !ok {
		return []string{fmt.Sprintf("the operator runs as %q, which is no service account: run it as the one that the guardrails name", operatorUsername)}
	}
	verifier := ServiceAccount{Namespace: operator.Namespace, Name: "verifier"}
	var missing []string
	for _, expected := range All(operator, verifier) {
		if why := expected.missing(operator, policies, bindings); why != "" {
			missing = append(missing, why)
		}
	}

	return missing
}

// missing returns why a guardrail is not in force, or "" if it is.
func (g Guardrail) missing(
	operator ServiceAccount,
	policies []admissionregistrationv1.ValidatingAdmissionPolicy,
	bindings []admissionregistrationv1.ValidatingAdmissionPolicyBinding,
) string {
	candidates := inForce(policies, g.Name)
	if len(candidates) == 0 {
		return fmt.Sprintf("there is no ValidatingAdmissionPolicy with the label %s=%s", Label, g.Name)
	}
	why := ""
	for _, policy := range candidates {
		if different := g.difference(operator, policy); different != "" {
			why = cmp.Or(why, fmt.Sprintf("the ValidatingAdmissionPolicy %q differs from what this operator expects in %s", policy.Name, different))

			continue
		}
		if g.bound(policy.Name, bindings) {
			return ""
		}
		why = cmp.Or(why, fmt.Sprintf(
			"the ValidatingAdmissionPolicy %q has no ValidatingAdmissionPolicyBinding with the label %s=%s that puts it in force as this operator expects",
			policy.Name, Label, g.Name))
	}

	return why
}

// bound reports whether a policy has the expected binding.
func (g Guardrail) bound(policy string, bindings []admissionregistrationv1.ValidatingAdmissionPolicyBinding) bool {
	expected := g.Binding.Spec.DeepCopy()
	expected.PolicyName = policy

	return slices.ContainsFunc(inForce(bindings, g.Name), func(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) bool {
		return equality.Semantic.DeepEqual(*expected, b.Spec)
	})
}

// difference returns the name of a part of a policy that differs from the expected one, or "".
func (g Guardrail) difference(operator ServiceAccount, policy *admissionregistrationv1.ValidatingAdmissionPolicy) string {
	expected, found := g.Policy.Spec.DeepCopy(), policy.Spec
	for i, v := range found.Variables {
		account, named := parseVariable(v.Expression)
		switch {
		case !named || i >= len(expected.Variables) || v.Name != expected.Variables[i].Name:
		case v.Name == operatorVariable && account != operator:
			return fmt.Sprintf("who the operator is: it names %q, and this one runs as %q", account.Username(), operator.Username())
		case v.Name == verifierVariable && account.Namespace == operator.Namespace:
			expected.Variables[i] = account.variable(verifierVariable)
		}
	}

	return differentPart(*expected, found)
}

// differentPart returns the path of a field of a spec that differs from the expected one, or "".
func differentPart(expected, found admissionregistrationv1.ValidatingAdmissionPolicySpec) string {
	for _, field := range []struct {
		name            string
		expected, found any
	}{
		{name: "spec.variables", expected: expected.Variables, found: found.Variables},
		{name: "spec.matchConditions", expected: expected.MatchConditions, found: found.MatchConditions},
		{name: "spec.matchConstraints", expected: expected.MatchConstraints, found: found.MatchConstraints},
		{name: "spec.validations", expected: expected.Validations, found: found.Validations},
		{name: "spec", expected: expected, found: found},
	} {
		if !equality.Semantic.DeepEqual(field.expected, field.found) {
			return field.name
		}
	}

	return ""
}

// inForce returns the objects of a guardrail that are not being deleted, ordered by name.
func inForce[T any, P interface {
	*T
	metav1.Object
}](objects []T, guardrail string) []P {
	var found []P
	for i := range objects {
		object := P(&objects[i])
		if object.GetLabels()[Label] == guardrail && object.GetDeletionTimestamp() == nil {
			found = append(found, object)
		}
	}
	slices.SortFunc(found, func(a, b P) int { return strings.Compare(a.GetName(), b.GetName()) })

	return found
}
