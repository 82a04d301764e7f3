// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// withoutTool returns objects by name, without what only one of the two tools writes: the labels that name the tool and the release,
// and the policy that Helm keeps an object. Helm makes no Namespace, because a release is stored in one that exists.
func withoutTool(objects []*unstructured.Unstructured) map[string]map[string]any {
	found := map[string]map[string]any{}
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			continue
		}
		labels, annotations := object.GetLabels(), object.GetAnnotations()
		for _, label := range []string{
			"app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "app.kubernetes.io/version", "helm.sh/chart",
		} {
			delete(labels, label)
		}
		object.SetLabels(labels)
		delete(annotations, "helm.sh/resource-policy")
		object.SetAnnotations(annotations)
		if len(annotations) == 0 {
			unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
		}
		found[key(object)] = object.Object
	}

	return found
}

// TestChartAndKustomizeRenderTheSameObjects compares each object of the chart with that of config/default, also with other names and in
// another namespace, which the guardrails have to name.
func TestChartAndKustomizeRenderTheSameObjects(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	for name, c := range map[string]struct {
		release, namespace string
		args               []string
		// kustomization is that of an overlay; account is the operator that its guardrails have to name.
		kustomization, account string
	}{
		"config/default": {
			release: defaultRelease, namespace: defaultNamespace,
			kustomization: "resources: [config/default]\n",
			account:       "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager",
		},
		"another namespace": {
			release: defaultRelease, namespace: "elsewhere",
			kustomization: "resources: [config/default]\nnamespace: elsewhere\n",
			account:       "system:serviceaccount:elsewhere:apikey-operator-controller-manager",
		},
		"another release": {
			release: "keys", namespace: "platform",
			kustomization: "resources: [config/default]\nnamespace: platform\nnamePrefix: keys-\n",
			account:       "system:serviceaccount:platform:keys-apikey-operator-controller-manager",
		},
		"another prefix": {
			release: "any", namespace: "elsewhere", args: []string{"--set=fullnameOverride=theirs-apikey-operator"},
			kustomization: "resources: [config/default]\nnamespace: elsewhere\nnamePrefix: theirs-\n",
			account:       "system:serviceaccount:elsewhere:theirs-apikey-operator-controller-manager",
		},
		"single namespaces": {
			release: defaultRelease, namespace: defaultNamespace,
			args:          []string{"--values", folder(t, "config", "chart", "ci", "namespaces-values.yaml")},
			kustomization: "resources: [config/overlays/namespaces]\n",
			account:       "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager",
		},
		"high availability": {
			release: defaultRelease, namespace: defaultNamespace,
			args:          []string{"--values", folder(t, "config", "chart", "ci", "high-availability-values.yaml")},
			kustomization: "resources: [config/overlays/high-availability]\n",
			account:       "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overlay := t.TempDir()
			if err := os.CopyFS(filepath.Join(overlay, "config"), os.DirFS(folder(t, "config"))); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(c.kustomization), 0o600); err != nil {
				t.Fatal(err)
			}
			want := withoutTool(kustomize(t, overlay))
			got := withoutTool(h.template(t, c.release, c.namespace, c.args...))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the chart differs from kustomize (-kustomize +chart):\n%s", diff)
			}
			account, _ := guardrails.ParseUsername(c.account)
			named := strings.Join([]string{"'system:serviceaccount:'", "'" + account.Namespace + "'", "':'", "'" + account.Name + "'"}, " + ")
			for _, guardrail := range []string{"operator", "secrets", "status"} {
				policy := got["ValidatingAdmissionPolicy /"+strings.TrimSuffix(account.Name, "controller-manager")+guardrail]
				variables, _, err := unstructured.NestedSlice(policy, "spec", "variables")
				if err != nil || len(variables) == 0 {
					t.Errorf("the guardrail %s has no variables: %v", guardrail, err)

					continue
				}
				if operator, _ := variables[0].(map[string]any); operator["expression"] != named {
					t.Errorf("the guardrail %s names %v, want %s", guardrail, operator["expression"], named)
				}
			}
		})
	}
}

// TestNamespaceLikeANumber renders a namespace that YAML takes for a number, which kustomize itself gets wrong.
func TestNamespaceLikeANumber(t *testing.T) {
	t.Parallel()
	for _, object := range newHelm(t).template(t, "keys", "123") {
		metadata, _ := object.Object["metadata"].(map[string]any)
		if namespace, there := metadata["namespace"]; there && namespace != "123" {
			t.Errorf("%s: namespace %v", key(object), namespace)
		}
		subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
		for _, subject := range subjects {
			if account, _ := subject.(map[string]any); account["namespace"] != "123" {
				t.Errorf("%s: subject in namespace %v", key(object), account["namespace"])
			}
		}
	}
}

// A budget that keeps the only replica would block every drain of its node.
func TestBudgetLetsDrainsPass(t *testing.T) {
	t.Parallel()
	const budget = "PodDisruptionBudget apikey-operator-system/apikey-operator-verifier"
	for flags, want := range map[string]bool{
		"--set=verifier.replicas=1":                                   false,
		"--set=verifier.replicas=2":                                   true,
		"--set=verifier.replicas=1,verifier.autoscaling.enabled=true": true,
		"--set=verifier.replicas=2,verifier.autoscaling.enabled=true,verifier.autoscaling.minReplicas=1": false,
		"--set=verifier.replicas=2,verifier.podDisruptionBudget.enabled=false":                           false,
	} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			objects := objectsByKey(newHelm(t).template(t, defaultRelease, defaultNamespace, flags))
			if _, got := objects[budget]; got != want {
				t.Errorf("there is a budget: %t, want %t", got, want)
			}
		})
	}
}
