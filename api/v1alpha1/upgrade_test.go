// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// lax is the CustomResourceDefinition as it might have been before: it knows the fields of spec and nothing else about it.
func lax(group string) *apiextensionsv1.CustomResourceDefinition {
	crd := inGroup(group, "apikeys")
	walk(schemaOf(crd), "", func(path string, s *apiextensionsv1.JSONSchemaProps) {
		s.XValidations = nil
		if strings.HasPrefix(path, "spec") {
			*s = apiextensionsv1.JSONSchemaProps{Type: s.Type, Properties: s.Properties, Items: s.Items, AdditionalProperties: s.AdditionalProperties}
		}
	})

	return crd
}

// What was stored before a rule was there must not get stuck: the operator has to report on it, and a finalizer to let go.
var _ = Describe("An object that was stored before the rules", Ordered, func() {
	const group = "upgraded.example.com"
	// Each breaks rules in another way; the last ones have ended as well.
	stored := map[string]string{
		"breaks each rule for a value": `{displayName: " ", permissions: ["*", "*"], roles: ["*"], customers: ["*"], owner: "*", expiresAt: never,
			rateLimit: {requests: 0, per: 1d}, rotation: {every: 1d, overlap: 2d}, secret: {name: "*", key: "*", labels: {"*": "*"}, annotations: {"*": "*"}}}`,
		"breaks rules between values":              `{expiresAt: "2027-11-21T00:00:00Z", validFor: 1h, rotation: {every: 1h, overlap: 2h}}`,
		"has no environment":                       "environment: null",
		"has ended at no time":                     "{expiresAt: never, revoked: true}",
		"has ended at a time that CEL cannot read": `{expiresAt: "0000-01-01T00:00:00Z", revoked: true}`,
	}
	ended := map[string]bool{"has ended at no time": true, "has ended at a time that CEL cannot read": true}
	objects := map[string]*unstructured.Unstructured{}
	var keys resource

	BeforeAll(func(ctx SpecContext) {
		crd := lax(group)
		install(ctx, crd)
		keys = apiKeys(schema.GroupVersion{Group: group, Version: v1alpha1.GroupVersion.Version})
		for name, spec := range stored {
			object := keys.object(spec)
			object.SetFinalizers([]string{"example.com/archive"})
			object, err := keys.Create(ctx, object, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			if ended[name] {
				object = keys.writeStatus(ctx, object, "{phase: Expired, observedGeneration: 0}")
			}
			objects[name] = object
		}

		upgraded := inGroup(group, "apikeys")
		Expect(extensions.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
		crd.Spec = upgraded.Spec
		Expect(extensions.Update(ctx, crd)).To(Succeed())
		Eventually(func() error { return keys.tryCreate(ctx, `displayName: " "`) }).
			WithTimeout(establishTimeout).WithPolling(20 * time.Millisecond).Should(MatchError(apierrors.IsInvalid, "invalid"))
	})

	edit := func(ctx SpecContext, name, spec string) error {
		return keys.tryUpdate(ctx, objects[name], spec)
	}

	It("can be edited in one field while others break rules", func(ctx SpecContext) {
		broken := objects["breaks each rule for a value"].DeepCopy()
		spec, _ := broken.Object["spec"].(map[string]any)
		spec["displayName"] = "Main Website"
		_, err := keys.Update(ctx, broken, dryUpdate)
		Expect(err).NotTo(HaveOccurred())
	})

	It("can be mended", func(ctx SpecContext) {
		Expect(edit(ctx, "breaks each rule for a value", `{owner: "*", secret: {name: "*", key: "*"}, permissions: [a]}`)).To(Succeed())
		Expect(edit(ctx, "breaks rules between values", "validFor: 1h")).To(Succeed())
		Expect(edit(ctx, "has no environment", "environment: Staging")).To(Succeed())
	})

	It("must be corrected by the user who edits the fields of one rule", func(ctx SpecContext) {
		err := edit(ctx, "breaks rules between values", `{expiresAt: "2027-11-21T00:00:00Z", validFor: 1h, displayName: a}`)
		Expect(causes(err)).To(ConsistOf(cause{field: "spec", message: bothExpiries}))
		err = edit(ctx, "has no environment", "{environment: null, displayName: a}")
		Expect(causes(err)).To(ConsistOf(cause{field: "spec.environment", message: "Required value"}))
	})

	for _, name := range slices.Sorted(maps.Keys(stored)) {
		It("is reported on, labelled and deleted although it "+name, func(ctx SpecContext) {
			object := keys.writeStatus(ctx, objects[name].DeepCopy(), "{phase: Expired, observedGeneration: 1}")
			object = keys.writeStatus(ctx, object, "{phase: Expired, observedGeneration: 2}")
			object.SetLabels(map[string]string{"a": "b"})
			object, err := keys.Update(ctx, object, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred())

			Expect(keys.Delete(ctx, object.GetName(), metav1.DeleteOptions{})).To(Succeed())
			_, err = keys.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred())
		})
	}
})
