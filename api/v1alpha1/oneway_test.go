// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// A revoked key must not come back, whatever way a client has of writing an object.
var _ = Describe("Undoing a revocation", func() {
	refused := ConsistOf(cause{field: "spec.revoked", message: revokedFixed})

	DescribeTable("is refused for every kind of patch",
		func(ctx SpecContext, kind types.PatchType, patch string) {
			keys := apiKeys(v1alpha1.GroupVersion)
			object := keys.create(ctx, "{displayName: a, revoked: true}")
			_, err := keys.Patch(ctx, object.GetName(), kind, []byte(patch), metav1.PatchOptions{})
			Expect(causes(err)).To(refused)
		},
		Entry("merge, false", types.MergePatchType, `{"spec":{"revoked":false}}`),
		Entry("merge, null", types.MergePatchType, `{"spec":{"revoked":null}}`),
		Entry("JSON, replaced", types.JSONPatchType, `[{"op":"replace","path":"/spec/revoked","value":false}]`),
		Entry("JSON, removed", types.JSONPatchType, `[{"op":"remove","path":"/spec/revoked"}]`),
		Entry("JSON, the whole spec replaced", types.JSONPatchType, `[{"op":"replace","path":"/spec","value":{"environment":"Production"}}]`),
		Entry("JSON, revoked moved away", types.JSONPatchType, `[{"op":"move","from":"/spec/revoked","path":"/spec/suspend"}]`),
	)

	DescribeTable("is refused for server-side apply",
		func(ctx SpecContext, manager, spec string) {
			keys := apiKeys(v1alpha1.GroupVersion)
			object := keys.object("{displayName: a, revoked: true}")
			object.SetGenerateName("")
			object.SetName("applied")
			Expect(apply(ctx, keys, object, "pipeline")).To(Succeed())

			object.Object["spec"] = parse(spec)
			Expect(causes(apply(ctx, keys, object, manager))).To(refused)
		},
		Entry("the owner of the field applies without it", "pipeline", "displayName: a"),
		Entry("the owner of the field applies false", "pipeline", "{displayName: a, revoked: false}"),
		Entry("another manager takes the field and applies false", "somebody", "revoked: false"),
	)

	It("is refused through an update by way of a spec that is gone for a moment", func(ctx SpecContext) {
		keys := apiKeys(v1alpha1.GroupVersion)
		object := keys.create(ctx, "revoked: true")
		_, err := keys.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"spec":null}`), metav1.PatchOptions{})
		Expect(causes(err)).To(ConsistOf(cause{field: "spec", message: "Required value"}))
	})
})

// apply applies an object, taking fields over from other managers.
func apply(ctx context.Context, to resource, object *unstructured.Unstructured, manager string) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	force := true
	_, err = to.Patch(ctx, object.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: manager, Force: &force})

	return err
}

var _ = Describe("A key that has ended", func() {
	for _, phase := range finalPhases() {
		It("can still be labelled, reported on and deleted when it is "+string(phase), func(ctx SpecContext) {
			keys := apiKeys(v1alpha1.GroupVersion)
			object := keys.object(`expiresAt: "2020-01-01T01:00:00.5+01:00"`)
			object.SetFinalizers([]string{"example.com/archive"})
			object, err := keys.Create(ctx, object, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			object = keys.writeStatus(ctx, object, "phase: "+string(phase))

			object.SetLabels(map[string]string{"a": "b"})
			object.SetAnnotations(map[string]string{v1alpha1.RotateAnnotation: "now"})
			object, err = keys.Update(ctx, object, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred())
			object = keys.writeStatus(ctx, object, "{phase: "+string(phase)+", observedGeneration: 1}")

			Expect(keys.Delete(ctx, object.GetName(), metav1.DeleteOptions{})).To(Succeed())
			_, err = keys.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred())
		})
	}
})
