// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// configFiles are the files of config that match a pattern, and what is in them.
func configFiles(t *testing.T, pattern ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(append([]string{"..", "..", "config"}, pattern...)...))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(data)
	}

	return files
}

func TestConfigHoldsTheGuardrails(t *testing.T) {
	files := configFiles(t, "policy", "*.yaml")
	kustomization := files["kustomization.yaml"]
	delete(files, "kustomization.yaml")
	all := guardrails.All(
		guardrails.ServiceAccount{Namespace: "$(APIKEY_OPERATOR_NAMESPACE)", Name: "$(APIKEY_OPERATOR_NAME)"},
		guardrails.ServiceAccount{Namespace: "$(APIKEY_VERIFIER_NAMESPACE)", Name: "$(APIKEY_VERIFIER_NAME)"})
	if len(files) != len(all) {
		t.Errorf("config/policy has %d files for %d guardrails", len(files), len(all))
	}
	for _, guardrail := range all {
		parts := strings.Split(files[guardrail.Name+".yaml"], "---\n")
		if len(parts) != 3 || !strings.HasPrefix(parts[0], "# "+guardrail.Policy.Annotations[guardrails.DescriptionAnnotation]+"\n") {
			t.Errorf("%s: want a comment, a policy and a binding", guardrail.Name)

			continue
		}
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		var binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
		if err := yaml.UnmarshalStrict([]byte(parts[1]), &policy); err != nil {
			t.Error(err)
		}
		if err := yaml.UnmarshalStrict([]byte(parts[2]), &binding); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(*guardrail.Policy, policy); diff != "" {
			t.Errorf("%s: run `make manifests`: %s", guardrail.Name, diff)
		}
		if diff := cmp.Diff(*guardrail.Binding, binding); diff != "" {
			t.Errorf("%s: run `make manifests`: %s", guardrail.Name, diff)
		}
		if !strings.Contains(kustomization, "- "+guardrail.Name+".yaml\n") {
			t.Errorf("config/policy/kustomization.yaml lacks %s.yaml", guardrail.Name)
		}
	}
}

// The policies repeat what the CRD says where CEL in the one cannot see the other.
func TestPatternsAreThoseOfTheCRD(t *testing.T) {
	crd := configFiles(t, "crd", "bases", "apikey-operator.io_apikeys.yaml")["apikey-operator.io_apikeys.yaml"]
	crd = strings.Join(strings.Fields(crd), " ") // as YAML folds it
	for _, guardrail := range expected() {
		for _, expression := range expressions(guardrail.Policy) {
			for _, pattern := range regexp.MustCompile(`matches\('([^']+)'\)`).FindAllStringSubmatch(expression, -1) {
				if !strings.Contains(crd, strings.ReplaceAll(pattern[0], "'", "''")) && !strings.Contains(crd, pattern[0]) {
					t.Errorf("%s: no rule of the CRD has %s", guardrail.Name, pattern[0])
				}
			}
		}
	}
}

// expressions are all of a policy.
func expressions(policy *admissionregistrationv1.ValidatingAdmissionPolicy) []string {
	var all []string
	for _, v := range policy.Spec.Variables {
		all = append(all, v.Expression)
	}
	for _, v := range policy.Spec.Validations {
		all = append(all, v.Expression)
	}

	return all
}

func TestEveryGuardrail(t *testing.T) {
	for _, guardrail := range expected() {
		spec := guardrail.Policy.Spec
		if *spec.FailurePolicy != admissionregistrationv1.Fail {
			t.Errorf("%s fails open", guardrail.Name)
		}
		// The guardrail of the operator asks who it is before anything else: it stands in the way of no other user.
		onlyOperator := strings.HasPrefix(spec.Validations[0].Expression, "request.userInfo.username != variables.operator || ") && len(spec.Validations) == 1
		if onlyOperator != (guardrail.Name == "operator") {
			t.Errorf("%s is for the operator alone: %t", guardrail.Name, onlyOperator)
		}
		changed := slices.ContainsFunc(spec.MatchConditions, func(c admissionregistrationv1.MatchCondition) bool { return c.Name == "changed" })
		if !changed && !onlyOperator {
			t.Errorf("%s lacks the condition that lets pass what it does not guard", guardrail.Name)
		}
		for _, rule := range spec.MatchConstraints.ResourceRules {
			deletes := slices.Contains(rule.Operations, admissionregistrationv1.Delete) ||
				slices.Contains(rule.Operations, admissionregistrationv1.OperationAll)
			if deletes && !onlyOperator {
				t.Errorf("%s stands in the way of a deletion", guardrail.Name)
			}
		}
		for i, v := range spec.Validations {
			if v.Reason == nil || *v.Reason != "Forbidden" {
				t.Errorf("%s: validation %d is not refused as Forbidden", guardrail.Name, i)
			}
			if (v.Message == "") == (v.MessageExpression == "") {
				t.Errorf("%s: validation %d has no message, or two", guardrail.Name, i)
			}
		}
	}
}
