// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// gitCase is a list or map that Git narrows: wide is the spec before, narrow after.
type gitCase struct{ path, wide, narrow string }

// gitKind is a kind with all its lists and maps.
type gitKind struct {
	plural   string
	resource func(schema.GroupVersion) resource
	cases    []gitCase
}

func gitKinds() []gitKind {
	const labels, expressions = "spec.namespaceSelector.matchLabels", "spec.namespaceSelector.matchExpressions"

	return []gitKind{
		{"apikeys", apiKeys, []gitCase{
			{"spec.permissions", "permissions: [a, b]", "permissions: [b]"},
			{"spec.roles", "roles: [a, b]", "roles: [b]"},
			{"spec.customers", "customers: [a, b]", "customers: [a]"},
			{"spec.secret.labels", "secret: {labels: {a: x, b: z}}", "secret: {labels: {a: x}}"},
			{"spec.secret.annotations", "secret: {annotations: {a: x, b: z}}", "secret: {annotations: {b: z}}"},
		}},
		{"apikeyroles", apiKeyRoles, []gitCase{{"spec.permissions", "permissions: [a, b]", "permissions: [a]"}}},
		{"apikeypolicies", apiKeyPolicies, []gitCase{
			{"spec.environments", "environments: [Staging, Development]", "environments: [Development]"},
			{"spec.expiry.warnBefore", "expiry: {warnBefore: [2h, 1h]}", "expiry: {warnBefore: [1h]}"},
			{"spec.permissions", "permissions: [a, b]", "permissions: [a]"},
			{"spec.roles", "roles: [a, b]", "roles: [b]"},
			{"spec.customers.allowed", "customers: {allowed: [a, b]}", "customers: {allowed: [b]}"},
			{"spec.secret.labelPrefixes", "secret: {labelPrefixes: [a, b]}", "secret: {labelPrefixes: [a]}"},
			{"spec.secret.annotationPrefixes", "secret: {annotationPrefixes: [a, b]}", "secret: {annotationPrefixes: [b]}"},
			// A selector that keeps what Git took away selects fewer namespaces than Git says.
			{labels, "{roles: [a], namespaceSelector: {matchLabels: {a: x, b: z}}}", "{roles: [a], namespaceSelector: {matchLabels: {b: z}}}"},
			{labels, "{roles: [a], namespaceSelector: {matchLabels: {a: x}}}", "{roles: [a], namespaceSelector: {}}"},
			{expressions, "{roles: [a], namespaceSelector: {matchExpressions: [{key: a, operator: Exists}, {key: b, operator: Exists}]}}",
				"{roles: [a], namespaceSelector: {matchExpressions: [{key: b, operator: Exists}]}}"},
			{expressions + "[*].values", "{roles: [a], namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [a, b]}]}}",
				"{roles: [a], namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [a]}]}}"},
		}},
	}
}

// apiKeyRoles are the APIKeyRoles of a group and version.
func apiKeyRoles(version schema.GroupVersion) resource {
	return resource{
		ResourceInterface: untyped.Resource(version.WithResource("apikeyroles")),
		kind:              version.WithKind("APIKeyRole"),
		parse:             parseYAML,
	}
}

// The managers of fields: kubectl calls itself by what it does.
const (
	creator  = "kubectl-create"
	pipeline = "kubectl"
)

// named is an object of the case with a spec.
func (r resource) named(name, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	object := r.object(spec)
	object.SetGenerateName("")
	object.SetName(name)

	return object
}

// apply applies a manifest as the pipeline does.
func (r resource) apply(ctx context.Context, object *unstructured.Unstructured, force bool) error {
	data, err := json.Marshal(object.Object)
	Expect(err).NotTo(HaveOccurred())
	_, err = r.Patch(ctx, object.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
		FieldManager: pipeline, Force: new(force), FieldValidation: metav1.FieldValidationStrict,
	})

	return err
}

// waysOfGit are the ways in which a manifest that took something away arrives at an object that was made in any way.
// Each returns the error of the last request.
func waysOfGit() map[string]func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
	created := func(ctx context.Context, r resource, wide *unstructured.Unstructured) *unstructured.Unstructured {
		GinkgoHelper()
		object, err := r.Create(ctx, wide, metav1.CreateOptions{FieldManager: creator})
		Expect(err).NotTo(HaveOccurred())

		return object
	}

	return map[string]func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error{
		"applied twice": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			Expect(r.apply(ctx, wide, false)).To(Succeed())

			return r.apply(ctx, narrow, false)
		},
		"created, then applied": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			created(ctx, r, wide)

			return r.apply(ctx, narrow, false)
		},
		"created, then applied with force": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			created(ctx, r, wide)

			return r.apply(ctx, narrow, true)
		},
		"created and applied, then applied narrower": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			created(ctx, r, wide)
			Expect(r.apply(ctx, wide, false)).To(Succeed(), "the same as there is")

			return r.apply(ctx, narrow, false)
		},
		"applied narrow, widened by hand, then applied": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			Expect(r.apply(ctx, narrow, false)).To(Succeed())
			widened, err := r.Get(ctx, wide.GetName(), metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred())
			widened.Object["spec"] = wide.Object["spec"]
			_, err = r.Update(ctx, widened, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
			Expect(err).NotTo(HaveOccurred())

			return r.apply(ctx, narrow, false)
		},
		"created, then replaced": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			object := created(ctx, r, wide)
			object.Object["spec"] = narrow.Object["spec"]
			_, err := r.Update(ctx, object, metav1.UpdateOptions{FieldManager: "kubectl-replace"})

			return err
		},
		"created, then patched": func(ctx context.Context, r resource, wide, narrow *unstructured.Unstructured) error {
			created(ctx, r, wide)
			data, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec", "value": narrow.Object["spec"]}})
			Expect(err).NotTo(HaveOccurred())
			_, err = r.Patch(ctx, wide.GetName(), types.JSONPatchType, data, metav1.PatchOptions{})

			return err
		},
	}
}

var _ = Describe("What Git says", func() {
	for _, k := range gitKinds() {
		for n, c := range k.cases {
			It(fmt.Sprintf("holds, or is a conflict that is shown: %s %s, case %d", k.plural, c.path, n), func(ctx SpecContext) {
				for way, send := range waysOfGit() {
					r := k.resource(v1alpha1.GroupVersion)
					name := strings.Map(func(x rune) rune {
						if x == ' ' || x == ',' {
							return '-'
						}

						return x
					}, fmt.Sprintf("git-%s-%d-%s", namespace, n, way))
					wide, narrow := r.named(name, c.wide), r.named(name, c.narrow)
					err := send(ctx, r, wide.DeepCopy(), narrow.DeepCopy())
					stored, getErr := r.Get(ctx, name, metav1.GetOptions{})
					Expect(getErr).NotTo(HaveOccurred())
					if conflicts := strings.HasSuffix(way, "applied") && way != "applied twice" || strings.HasSuffix(way, "narrower"); conflicts {
						field, _, _ := strings.Cut(strings.TrimPrefix(c.path, "spec."), ".match")
						Expect(apierrors.IsConflict(err)).To(BeTrue(), "%s: %v", way, err)
						Expect(err).To(MatchError(ContainSubstring("."+strings.Split(field, "[")[0])), way)
						Expect(r.apply(ctx, narrow, true)).To(Succeed(), way)
						stored, getErr = r.Get(ctx, name, metav1.GetOptions{})
						Expect(getErr).NotTo(HaveOccurred())
					} else {
						Expect(err).NotTo(HaveOccurred(), way)
					}
					Expect(stored.Object["spec"]).To(Equal(narrow.Object["spec"]), way)
				}
			})
		}
	}

	It("holds when it is applied by the client, to lists that were applied or created before", func(ctx SpecContext) {
		var wide, narrow, names []string
		for _, k := range gitKinds() {
			for n, c := range k.cases {
				if strings.Contains(c.path, "abels") || strings.Contains(c.path, "annotations") || strings.HasSuffix(c.narrow, "{}}") {
					continue // a client that applies merges maps: kubectl warns where it cannot tell what was taken away
				}
				r := k.resource(v1alpha1.GroupVersion)
				for _, made := range []string{"applied", "created"} {
					name := fmt.Sprintf("client-%s-%s-%d", namespace, made, n)
					names = append(names, k.plural+"/"+name)
					narrow = append(narrow, manifest(r.named(name, c.narrow)))
					if made == "applied" {
						wide = append(wide, manifest(r.named(name, c.wide)))
					} else {
						_, err := r.Create(ctx, r.named(name, c.wide), metav1.CreateOptions{FieldManager: creator})
						Expect(err).NotTo(HaveOccurred())
					}
				}
			}
		}
		kubectlApply(ctx, wide)
		kubectlApply(ctx, narrow)
		for i, name := range names {
			plural, name, _ := strings.Cut(name, "/")
			var want map[string]any
			Expect(yaml.Unmarshal([]byte(narrow[i]), &want)).To(Succeed())
			for _, k := range gitKinds() {
				if k.plural == plural {
					stored, err := k.resource(v1alpha1.GroupVersion).Get(ctx, name, metav1.GetOptions{})
					Expect(err).NotTo(HaveOccurred())
					Expect(stored.Object["spec"]).To(Equal(want["spec"]), name)
				}
			}
		}
	})
})

func manifest(object *unstructured.Unstructured) string {
	GinkgoHelper()
	data, err := yaml.Marshal(object.Object)
	Expect(err).NotTo(HaveOccurred())

	return string(data)
}

// kubectlApply applies manifests with kubectl, in the namespace of the spec.
func kubectlApply(ctx context.Context, manifests []string) {
	GinkgoHelper()
	kubeconfig, err := plane.Kubeconfig("kubectl", "system:masters")
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(GinkgoT().TempDir(), "manifests.yaml")
	Expect(os.WriteFile(file, []byte(strings.Join(manifests, "---\n")), 0o600)).To(Succeed())
	out, err := exec.CommandContext(ctx, plane.Program("kubectl"), "--kubeconfig", kubeconfig, "-n", namespace, "apply", "-f", file).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
}
