// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

type (
	policyList  = []admissionregistrationv1.ValidatingAdmissionPolicy
	bindingList = []admissionregistrationv1.ValidatingAdmissionPolicyBinding
)

// inCluster are guardrails as a cluster has them, under a prefix.
func inCluster(all []guardrails.Guardrail) (policies policyList, bindings bindingList) {
	for _, g := range all {
		policy := g.Policy.DeepCopy()
		policy.Name = "prefix-" + policy.Name
		policies = append(policies, *policy)
		if g.Binding != nil {
			binding := g.Binding.DeepCopy()
			binding.Name, binding.Spec.PolicyName = policy.Name, policy.Name
			bindings = append(bindings, *binding)
		}
	}

	return policies, bindings
}

func TestNothingIsMissing(t *testing.T) {
	policies, bindings := inCluster(expected())
	if missing := guardrails.Missing(operatorUser, policies, bindings); missing != nil {
		t.Errorf("all is there, got %q", missing)
	}
	slices.Reverse(policies)
	if missing := guardrails.Missing(operatorUser, policies, bindings); missing != nil {
		t.Errorf("in another order, got %q", missing)
	}
}

func TestEveryMutantIsNoticed(t *testing.T) {
	whole := expected()
	for i, g := range whole {
		for _, m := range mutants(g) {
			mutated := slices.Clone(whole)
			mutated[i] = m.Guardrail
			policies, bindings := inCluster(mutated)
			missing := guardrails.Missing(operatorUser, policies, bindings)
			if noticed := len(missing) == 1 && strings.Contains(missing[0], g.Name); noticed != (m.lacks != "") {
				t.Errorf("%s lacks %q: got %q", g.Name, m.lacks, missing)
			}
		}
	}
}

// The first guardrail is grants, and the last status.
func TestMissing(t *testing.T) {
	const status = 6
	tests := map[string]struct {
		operator string
		change   func(policies *policyList, bindings *bindingList)
		missing  []string
	}{
		"nothing there": {
			change: func(policies *policyList, bindings *bindingList) { *policies, *bindings = nil, nil },
			missing: []string{
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=grants",
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=limits",
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=operator",
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=plaintext",
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=secrets",
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=size",
				"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=status",
			},
		},
		"a policy that is being deleted": {
			change:  func(policies *policyList, _ *bindingList) { (*policies)[0].DeletionTimestamp = &metav1.Time{} },
			missing: []string{"there is no ValidatingAdmissionPolicy with the label apikey-operator.io/guardrail=grants"},
		},
		"a binding that is being deleted": {
			change: func(_ *policyList, bindings *bindingList) { (*bindings)[0].DeletionTimestamp = &metav1.Time{} },
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" has no ValidatingAdmissionPolicyBinding with the label ` +
				`apikey-operator.io/guardrail=grants that puts it in force as this operator expects`},
		},
		"a binding that only warns": {
			change: func(_ *policyList, bindings *bindingList) {
				(*bindings)[0].Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" has no ValidatingAdmissionPolicyBinding with the label ` +
				`apikey-operator.io/guardrail=grants that puts it in force as this operator expects`},
		},
		"a binding for some namespaces": {
			change: func(_ *policyList, bindings *bindingList) {
				(*bindings)[0].Spec.MatchResources = &admissionregistrationv1.MatchResources{}
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" has no ValidatingAdmissionPolicyBinding with the label ` +
				`apikey-operator.io/guardrail=grants that puts it in force as this operator expects`},
		},
		"a policy that fails open": {
			change: func(policies *policyList, _ *bindingList) {
				(*policies)[0].Spec.FailurePolicy = new(admissionregistrationv1.Ignore)
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" differs from what this operator expects in spec`},
		},
		"a condition more": {
			change: func(policies *policyList, _ *bindingList) {
				conditions := &(*policies)[0].Spec.MatchConditions
				*conditions = append(*conditions, admissionregistrationv1.MatchCondition{Name: "never", Expression: "false"})
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" differs from what this operator expects in spec.matchConditions`},
		},
		"a validation less": {
			change: func(policies *policyList, _ *bindingList) {
				validations := &(*policies)[0].Spec.Validations
				*validations = (*validations)[1:]
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" differs from what this operator expects in spec.validations`},
		},
		"variables less": {
			change:  func(policies *policyList, _ *bindingList) { (*policies)[status].Spec.Variables = nil },
			missing: []string{`the ValidatingAdmissionPolicy "prefix-status" differs from what this operator expects in spec.variables`},
		},
		"other requests": {
			change: func(policies *policyList, _ *bindingList) {
				(*policies)[0].Spec.MatchConstraints.ExcludeResourceRules = (*policies)[0].Spec.MatchConstraints.ResourceRules
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" differs from what this operator expects in spec.matchConstraints`},
		},
		"another operator": {
			operator: "system:serviceaccount:elsewhere:operator",
			change:   func(*policyList, *bindingList) {},
			missing: []string{
				`the ValidatingAdmissionPolicy "prefix-operator" differs from what this operator expects in who the operator is: it names "` +
					operatorUser + `", and this one runs as "system:serviceaccount:elsewhere:operator"`,
				`the ValidatingAdmissionPolicy "prefix-secrets" differs from what this operator expects in who the operator is: it names "` +
					operatorUser + `", and this one runs as "system:serviceaccount:elsewhere:operator"`,
				`the ValidatingAdmissionPolicy "prefix-status" differs from what this operator expects in who the operator is: it names "` +
					operatorUser + `", and this one runs as "system:serviceaccount:elsewhere:operator"`,
			},
		},
		"an operator who is no service account": {
			operator: "admin",
			change:   func(*policyList, *bindingList) {},
			missing:  []string{`the operator runs as "admin", which is no service account: run it as the one that the guardrails name`},
		},
		"a verifier of another name": {
			change: func(policies *policyList, _ *bindingList) {
				rename(&(*policies)[status], "'apikey-operator-verifier'", "'their-verifier'")
			},
		},
		"a verifier in another namespace": {
			change: func(policies *policyList, _ *bindingList) {
				v := &(*policies)[status].Spec.Variables[1]
				v.Expression = strings.Replace(v.Expression, "'apikey-operator-system'", "'default'", 1)
			},
			missing: []string{`the ValidatingAdmissionPolicy "prefix-status" differs from what this operator expects in spec.variables`},
		},
		"a policy and a binding without the label, and without a word to us": {
			change: func(policies *policyList, bindings *bindingList) {
				policy, binding := (*policies)[0].DeepCopy(), (*bindings)[0].DeepCopy()
				policy.Name, policy.Labels, binding.Name, binding.Labels = "stranger", nil, "stranger", nil
				*policies, *bindings = append(*policies, *policy), append(*bindings, *binding)
			},
		},
		"others beside the expected ones": {
			change: func(policies *policyList, bindings *bindingList) {
				for _, name := range []string{"a-stricter", "z-stricter"} {
					policy, binding := (*policies)[0].DeepCopy(), (*bindings)[0].DeepCopy()
					policy.Name, policy.Spec.Validations, binding.Name = name, policy.Spec.Validations[:1], name
					*policies, *bindings = append(*policies, *policy), append(*bindings, *binding)
				}
			},
		},
		"two that differ": {
			change: func(policies *policyList, _ *bindingList) {
				(*policies)[0].Spec.Validations = nil
				other := (*policies)[0].DeepCopy()
				other.Name = "a"
				*policies = append(*policies, *other)
			},
			missing: []string{`the ValidatingAdmissionPolicy "a" differs from what this operator expects in spec.validations`},
		},
		"a binding of another policy": {
			change: func(_ *policyList, bindings *bindingList) { (*bindings)[0].Spec.PolicyName = "prefix-status" },
			missing: []string{`the ValidatingAdmissionPolicy "prefix-grants" has no ValidatingAdmissionPolicyBinding with the label ` +
				`apikey-operator.io/guardrail=grants that puts it in force as this operator expects`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			policies, bindings := inCluster(expected())
			tt.change(&policies, &bindings)
			if tt.operator == "" {
				tt.operator = operatorUser
			}
			if diff := cmp.Diff(tt.missing, guardrails.Missing(tt.operator, policies, bindings)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// rename replaces a text in the variables of a policy.
func rename(policy *admissionregistrationv1.ValidatingAdmissionPolicy, from, to string) {
	for i := range policy.Spec.Variables {
		policy.Spec.Variables[i].Expression = strings.Replace(policy.Spec.Variables[i].Expression, from, to, 1)
	}
}

func TestParseUsername(t *testing.T) {
	for username, want := range map[string]guardrails.ServiceAccount{
		"system:serviceaccount:a:b":   {Namespace: "a", Name: "b"},
		"system:serviceaccount:a:b.c": {Namespace: "a", Name: "b.c"},
		"system:serviceaccount:a":     {},
		"system:serviceaccount::b":    {},
		"system:serviceaccount:a:":    {},
		"system:serviceaccount:a:b:c": {},
		"system:serviceaccounts:a:b":  {},
		"a:b":                         {},
		"":                            {},
	} {
		got, ok := guardrails.ParseUsername(username)
		if got != want || ok != (want != guardrails.ServiceAccount{}) {
			t.Errorf("%q: got %v, %t", username, got, ok)
		}
		if ok && got.Username() != username {
			t.Errorf("%q becomes %q", username, got.Username())
		}
	}
}
