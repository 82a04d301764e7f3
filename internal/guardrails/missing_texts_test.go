// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"encoding/json"
	"fmt"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// leaves calls a function with each text in a JSON document changed in turn.
func leaves(document any, path string, changed func(path string)) {
	switch v := document.(type) {
	case map[string]any:
		for name, value := range v {
			if text, ok := value.(string); ok {
				v[name] = text + "x"
				changed(path + "." + name)
				v[name] = text
			}
			leaves(value, path+"."+name, changed)
		}
	case []any:
		for i, value := range v {
			if text, ok := value.(string); ok {
				v[i] = text + "x"
				changed(fmt.Sprintf("%s[%d]", path, i))
				v[i] = text
			}
			leaves(value, fmt.Sprintf("%s[%d]", path, i), changed)
		}
	}
}

// mutateTexts calls a function with each text of a spec changed in turn.
func mutateTexts[T any](t *testing.T, spec T, changed func(path string, mutated T)) {
	t.Helper()
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	leaves(document, "spec", func(path string) {
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var mutated T
		if err := json.Unmarshal(data, &mutated); err != nil {
			t.Fatal(err)
		}
		changed(path, mutated)
	})
}

func TestEveryOtherTextIsNoticed(t *testing.T) {
	policies, bindings := inCluster(expected())
	noticed := 0
	check := func(what, path string) {
		t.Helper()
		if missing := guardrails.Missing(operatorUser, policies, bindings); len(missing) != 1 {
			t.Errorf("%s, %s: got %q", what, path, missing)
		}
		noticed++
	}
	for i := range policies {
		whole := policies[i].Spec
		mutateTexts(t, whole, func(path string, mutated admissionregistrationv1.ValidatingAdmissionPolicySpec) {
			policies[i].Spec = mutated
			check(policies[i].Name, path)
		})
		policies[i].Spec = whole
	}
	for i := range bindings {
		whole := bindings[i].Spec
		mutateTexts(t, whole, func(path string, mutated admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec) {
			bindings[i].Spec = mutated
			check("the binding of "+bindings[i].Name, path)
		})
		bindings[i].Spec = whole
	}
	if noticed < 200 {
		t.Errorf("changed %d texts only", noticed)
	}
}
