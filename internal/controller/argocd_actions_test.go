// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// argoActs runs an action of Argo CD on the APIKey, which has to be on offer, and lets the operator work.
func (f *fixture) argoActs(name string) {
	GinkgoHelper()
	c := newArgoCD()
	before := f.unstructured()
	Expect(c.enabled(before)).To(ContainElement(name))
	Expect(admin.Patch(f.ctx, c.act(name, before), client.MergeFrom(before))).To(Succeed())
	f.settle()
}

// conceal returns an object without the fields that Argo CD does not look at when it decides whether to refresh.
func (c argoCD) conceal(object *unstructured.Unstructured) map[string]any {
	GinkgoHelper()
	for _, pointer := range append([]string{"/metadata/resourceVersion", "/metadata/generation", "/metadata/managedFields"}, c.ignored.JSONPointers...) {
		unstructured.RemoveNestedField(object.Object, strings.Split(pointer, "/")[1:]...)
	}

	return object.Object
}

var _ = Describe("The actions of Argo CD", func() {
	active := func(ctx context.Context) *fixture {
		f := newFixture(ctx)
		f.create()
		f.settle()

		return f
	}

	It("rotate the key, each time anew", func(ctx context.Context) {
		f := active(ctx)
		first := f.value()
		f.argoActs("rotate")
		second := f.value()
		Expect(second).NotTo(Equal(first))
		Eventually(func() string { // the action names a rotation after the second in which it runs
			f.argoActs("rotate")

			return f.value()
		}).WithTimeout(time.Minute).ShouldNot(Equal(second))
		f.expectHealthy()
	})

	It("rotate a key that has annotations of its own, and keep them", func(ctx context.Context) {
		f := active(ctx)
		f.edit(func(k *v1alpha1.APIKey) {
			metav1.SetMetaDataAnnotation(&k.ObjectMeta, "example.com/team", "storefront")
		})
		f.argoActs("rotate")
		Expect(f.key().Annotations).To(HaveKeyWithValue("example.com/team", "storefront"))
		Expect(f.key().Annotations).To(HaveKey(v1alpha1.RotateAnnotation))
	})

	It("change nothing when pressed twice", func(ctx context.Context) {
		f := active(ctx)
		c := newArgoCD()
		for _, name := range []string{"suspend", "resume", "revoke"} {
			f.argoActs(name)
			done := f.key().ResourceVersion
			before := f.unstructured() // Argo CD runs an action also where it is not on offer
			Expect(admin.Patch(ctx, c.act(name, before), client.MergeFrom(before))).To(Succeed())
			Expect(f.key().ResourceVersion).To(Equal(done), name)
		}
	})

	It("suspend and resume the key", func(ctx context.Context) {
		f := active(ctx)
		key := f.value()
		f.argoActs("suspend")
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseSuspended))
		f.argoActs("resume")
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseActive))
		Expect(f.value()).To(Equal(key))
	})

	It("revoke the key for good, after which none is on offer", func(ctx context.Context) {
		f := active(ctx)
		f.argoActs("revoke")
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
		Expect(f.secret()).To(BeNil())
		Expect(newArgoCD().enabled(f.unstructured())).To(BeEmpty())
	})
})

var _ = DescribeTable("Argo CD offers", func(ctx context.Context, want []string, prepare func(*fixture)) {
	f := newFixture(ctx)
	prepare(f)
	Expect(newArgoCD().enabled(f.unstructured())).To(ConsistOf(want))
},
	Entry("no rotation of a key that is not there yet", []string{"suspend", "revoke"}, func(f *fixture) { f.create() }),
	Entry("everything but resume for an active key", []string{"rotate", "suspend", "revoke"}, func(f *fixture) { f.create(); f.settle() }),
	Entry("everything but suspend for a suspended key", []string{"rotate", "resume", "revoke"}, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		f.settle()
	}),
	Entry("nothing for a key that is revoked and that the operator has not seen since", []string{}, func(f *fixture) {
		f.create()
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
	}),
	Entry("nothing for an APIKey that is being deleted, before the operator has seen that", []string{}, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Finalizers = []string{hold} })
		f.settle()
		Expect(admin.Delete(f.ctx, f.key())).To(Succeed())
	}),
	Entry("nothing for a key that was not claimed in time", []string{}, func(f *fixture) {
		f.create(once)
		f.settle()
		f.advance(v1alpha1.ClaimBeforeDefault)
		f.settle()
	}),
	Entry("a way to stop a key that was never minted", []string{"suspend", "revoke"}, func(f *fixture) {
		f.foreign("Opaque")
		f.create()
		f.settle()
	}),
	Entry("nothing for an expired key", []string{}, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.clock.SetTime(f.key().Status.ExpiresAt.Time)
		f.settle()
	}),
)

var _ = Describe("Argo CD refreshes an application", func() {
	It("when the state of a key changes, and not when the key is used", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		c := newArgoCD()
		unused := c.conceal(f.unstructured())

		apikey := f.key()
		apikey.Status.LastUsedAt = v1alpha1.StorableTime(f.clock.Now())
		Expect(admin.Status().Update(f.ctx, apikey)).To(Succeed())
		used := f.unstructured()
		Expect(used.Object["status"]).To(HaveKey("lastUsedAt"))
		Expect(c.conceal(used)).To(Equal(unused))

		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		f.settle()
		Expect(c.conceal(f.unstructured())).NotTo(Equal(unused))
	})
})
