// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// rendered are the objects of a kustomization in the order in which kubectl applies them.
func rendered(ctx SpecContext, folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(kubectl(ctx, "kustomize", folder), "\n---\n") {
		object := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
		objects = append(objects, object)
	}

	return objects
}

var _ = Describe("What config/default installs", func() {
	It("comes in an order that never leaves an APIKey unguarded", func(ctx SpecContext) {
		var kinds []string
		namespaces := map[string]int{}
		for i, object := range rendered(ctx, filepath.Join(root(), "config", "default")) {
			kinds = append(kinds, object.GetKind())
			if object.GetKind() == "Namespace" {
				namespaces[object.GetName()] = i
			}
			if namespace := object.GetNamespace(); namespace != "" {
				Expect(namespaces).To(HaveKey(namespace), "%s %s comes before its namespace", object.GetKind(), object.GetName())
			}
		}
		first := func(kind string) int { return slices.Index(kinds, kind) }
		last := func(kind string) int {
			backward := slices.Clone(kinds)
			slices.Reverse(backward)

			return len(kinds) - 1 - slices.Index(backward, kind)
		}
		Expect(slices.Compact(slices.Clone(kinds))[:4]).
			To(Equal([]string{"Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "CustomResourceDefinition"}))
		Expect(last("ValidatingAdmissionPolicyBinding")).To(BeNumerically("<", first("CustomResourceDefinition")))
		Expect(last("ClusterRoleBinding")).To(BeNumerically("<", first("Deployment")))
	})

	It("names who the operator and the verifier are, under whatever prefix and in whatever namespace", func(ctx SpecContext) {
		folder := filepath.Join(plane.Folder(), "elsewhere")
		Expect(os.CopyFS(folder, os.DirFS(filepath.Join(root(), "config")))).To(Succeed())
		file := filepath.Join(folder, "default", "kustomization.yaml")
		kustomization, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		changed := strings.NewReplacer(
			"namespace: apikey-operator-system",
			"namespace: elsewhere",
			"namePrefix: apikey-operator-",
			"namePrefix: their-",
		).Replace(
			string(kustomization),
		)
		Expect(os.WriteFile(file, []byte(changed), 0o600)).To(Succeed())

		policies, bindings := guardrailsAmong(rendered(ctx, filepath.Join(folder, "default")))
		Expect(policies[0].Name).To(HavePrefix("their-"))
		Expect(guardrails.Missing("system:serviceaccount:elsewhere:their-controller-manager", policies, bindings)).To(BeNil())
		Expect(guardrails.Missing(operatorUser, policies, bindings)).NotTo(BeNil())
	})

	It("follows an overlay with another namespace and another prefix", func(ctx SpecContext) {
		folder := filepath.Join(plane.Folder(), "overlay")
		Expect(os.CopyFS(filepath.Join(folder, "config"), os.DirFS(filepath.Join(root(), "config")))).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(
			"namespace: elsewhere\nnamePrefix: their-\nresources: [config/default]\n"), 0o600)).To(Succeed())
		objects := rendered(ctx, folder)
		policies, bindings := guardrailsAmong(objects)
		Expect(guardrails.Missing("system:serviceaccount:elsewhere:their-apikey-operator-controller-manager", policies, bindings)).To(BeNil())
		for _, object := range objects {
			if object.GetKind() == "ServiceAccount" {
				Expect(object.GetNamespace()).To(Equal("elsewhere"))
				Expect(object.GetName()).To(HavePrefix("their-apikey-operator-"))
			}
			if object.GetKind() == "Namespace" {
				Expect(object.GetName()).To(Equal("elsewhere"))
			}
		}
	})

	It("gives a namespace to namespaced objects alone, also in an overlay", func(ctx SpecContext) {
		folder := filepath.Join(plane.Folder(), "scopes")
		Expect(os.CopyFS(filepath.Join(folder, "config"), os.DirFS(filepath.Join(root(), "config")))).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(
			"namespace: elsewhere\nresources: [config/default]\n"), 0o600)).To(Succeed())
		for _, object := range slices.Concat(rendered(ctx, folder), rendered(ctx, filepath.Join(root(), "config", "default"))) {
			namespaced, err := admin.IsObjectNamespaced(object)
			Expect(err).NotTo(HaveOccurred())
			if namespaced {
				Expect(object.GetNamespace()).NotTo(BeEmpty(), "%s %s", object.GetKind(), object.GetName())
			} else {
				Expect(object.GetNamespace()).To(BeEmpty(), "%s %s", object.GetKind(), object.GetName())
			}
		}
	})

	It("leaves lists to be merged by name in an overlay", func(ctx SpecContext) {
		folder := filepath.Join(plane.Folder(), "patched")
		Expect(os.CopyFS(filepath.Join(folder, "config"), os.DirFS(filepath.Join(root(), "config")))).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(`resources: [config/default]
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: apikey-operator-verifier, namespace: apikey-operator-system}
      spec: {template: {spec: {containers: [{name: verifier, env: [{name: ADDED, value: here}]}]}}}
`), 0o600)).To(Succeed())
		for _, object := range rendered(ctx, folder) {
			if object.GetName() != "apikey-operator-verifier" || object.GetKind() != "Deployment" {
				continue
			}
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			Expect(err).NotTo(HaveOccurred())
			Expect(containers).To(ConsistOf(And(HaveKey("image"), HaveKeyWithValue("env", And(
				ContainElement(HaveKeyWithValue("name", "ADDED")), ContainElement(HaveKeyWithValue("name", "GOMEMLIMIT")))))))

			return
		}
		Fail("the overlay has no Deployment of the verifier")
	})

	It("stays guarded by `make undeploy`, and keeps its namespace and the Service of gateways", func(ctx SpecContext) {
		makefile, err := os.ReadFile(filepath.Join(root(), "Makefile"))
		Expect(err).NotTo(HaveOccurred())
		selector := regexp.MustCompile(`-k config/default -l '([^']+)'`).FindStringSubmatch(string(makefile))
		Expect(selector).To(HaveLen(2))
		deleted := kubectl(ctx, "delete", "--dry-run=client", "--ignore-not-found", "-k", filepath.Join(root(), "config", "default"), "-l", selector[1])
		Expect(deleted).To(ContainSubstring("apikey-operator-controller-manager"))
		Expect(deleted).NotTo(MatchRegexp("(?i)customresourcedefinition|validatingadmissionpolicy|namespace \"|service \"apikey-operator-verifier\""))
	})

	It("is read back from the API server as the operator expects it", func(ctx SpecContext) {
		policies, bindings := installed(ctx)
		Expect(guardrails.Missing(operatorUser, policies, bindings)).To(BeNil())
		for _, guardrail := range expected() {
			i := slices.IndexFunc(policies, func(p admissionregistrationv1.ValidatingAdmissionPolicy) bool {
				return p.Labels[guardrails.Label] == guardrail.Name
			})
			Expect(i).NotTo(Equal(-1), guardrail.Name)
			Expect(cmp.Diff(guardrail.Policy.Spec, policies[i].Spec)).To(BeEmpty(), guardrail.Name)
		}
	})

	It("has types that check", func(ctx SpecContext) {
		Eventually(func(g Gomega) {
			policies, _ := installed(ctx)
			g.Expect(policies).To(HaveLen(len(expected())))
			for _, policy := range policies {
				g.Expect(policy.Status.ObservedGeneration).To(Equal(policy.Generation), policy.Name)
				g.Expect(policy.Status.TypeChecking).NotTo(BeNil(), policy.Name)
				g.Expect(policy.Status.TypeChecking.ExpressionWarnings).To(BeEmpty(), policy.Name)
			}
		}).WithTimeout(inForceTimeout).WithPolling(100 * time.Millisecond).Should(Succeed())
	})
})

// guardrailsAmong are the guardrails among rendered objects.
func guardrailsAmong(
	objects []*unstructured.Unstructured,
) (policies []admissionregistrationv1.ValidatingAdmissionPolicy, bindings []admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	GinkgoHelper()
	for _, object := range objects {
		data, err := yaml.Marshal(object)
		Expect(err).NotTo(HaveOccurred())
		switch object.GetKind() {
		case "ValidatingAdmissionPolicy":
			var policy admissionregistrationv1.ValidatingAdmissionPolicy
			Expect(yaml.UnmarshalStrict(data, &policy)).To(Succeed())
			policies = append(policies, policy)
		case "ValidatingAdmissionPolicyBinding":
			var binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
			Expect(yaml.UnmarshalStrict(data, &binding)).To(Succeed())
			bindings = append(bindings, binding)
		}
	}

	return policies, bindings
}
