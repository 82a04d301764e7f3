// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// hold is a finalizer that nothing but the test takes off.
const hold = "example.com/hold"

// release takes the finalizers off an object.
func release(ctx context.Context, obj client.Object) {
	GinkgoHelper()
	before, _ := obj.DeepCopyObject().(client.Object)
	obj.SetFinalizers(nil)
	Expect(admin.Patch(ctx, obj, client.MergeFrom(before))).To(Succeed())
}

// holdSecret puts a finalizer on the Secret and deletes it.
func (f *fixture) holdSecret() {
	GinkgoHelper()
	secret := f.secret()
	secret.Finalizers = []string{hold}
	Expect(admin.Update(f.ctx, secret)).To(Succeed())
	Expect(admin.Delete(f.ctx, secret)).To(Succeed())
}

var _ = Describe("An APIKey that is being deleted and waits for a finalizer", func() {
	DescribeTable("ends, and its Secret is deleted", func(ctx context.Context, prepare func(*fixture)) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Finalizers = []string{hold} })
		prepare(f)
		Expect(admin.Delete(ctx, f.key())).To(Succeed())
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
		Expect(condition(f.key(), v1alpha1.ConditionActive)).To(HaveField("Reason", v1alpha1.ReasonDeleting))
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(HaveField("Status", metav1.ConditionFalse),
			HaveField("Reason", v1alpha1.ReasonDeleting), HaveField("Message", ContainSubstring(hold))))

		release(ctx, f.key())
		result, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{})))
		Expect(err).NotTo(HaveOccurred())
		Expect(result).To(BeZero())
	},
		Entry("with a key", func(f *fixture) { f.settle() }),
		Entry("with a suspended key", func(f *fixture) { f.settle(); f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true }); f.settle() }),
		Entry("with a rotation that is due", func(f *fixture) { f.settle(); f.rotate("now") }),
		Entry("before its first key", func(*fixture) {}),
		Entry("in the middle of its first key", func(f *fixture) {
			_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 3, Forever: true})))
		}),
	)

	DescribeTable("is refused by the operator as soon as its deletion is requested, in every way", func(
		ctx context.Context, policy metav1.DeletionPropagation, secretStays bool,
	) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Finalizers = []string{hold} })
		f.settle()
		value := f.value()
		Expect(admin.Delete(ctx, f.key(), client.PropagationPolicy(policy))).To(Succeed())
		f.settle()
		Expect(f.accepts(value)).To(BeFalse())
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
		Expect(f.secret() != nil).To(Equal(secretStays))
		wire := testkit.NewWire(testkit.Cut{})
		f.settleWith(wire)
		Expect(wire.Writes()).To(BeEmpty())
	},
		Entry("in the background", metav1.DeletePropagationBackground, false),
		Entry("in the foreground", metav1.DeletePropagationForeground, false),
		Entry("leaving dependents behind, which leaves the Secret", metav1.DeletePropagationOrphan, true),
	)
})

var _ = Describe("A Secret that is being deleted and waits for a finalizer", func() {
	It("counts as deleted: its key stops, Ready names the finalizer, and a new key comes when the name is free", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "1h"} })
		f.settle()
		f.rotate("now") // the key before it works on for an hour
		f.settle()
		f.holdSecret()
		f.settle()
		Expect(f.key().Status.Keys).To(BeEmpty())
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhasePending))
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(HaveField("Status", metav1.ConditionFalse),
			HaveField("Reason", v1alpha1.ReasonSecretTerminating), HaveField("Message", ContainSubstring(hold))))
		Expect(condition(f.key(), v1alpha1.ConditionActive)).To(HaveField("Status", metav1.ConditionFalse))
		Expect(f.events).To(ContainElement(v1alpha1.ReasonSecretTerminating))
		old := f.value()

		release(ctx, f.secret())
		f.settle()
		f.expectHealthy()
		Expect(f.value()).NotTo(Equal(old))
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("is no place for a key that was announced for it", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		f.rotate("now")
		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 3, Forever: true}))) // the Secret holds it already
		Expect(err).To(HaveOccurred())
		announced := f.value()
		f.holdSecret()
		f.settle()
		Expect(f.accepts(announced)).To(BeFalse())
		release(ctx, f.secret())
		f.settle()
		f.expectHealthy()
	})

	It("is reported for a key that has ended, until it is gone", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		secret := f.secret()
		secret.Finalizers = []string{hold}
		Expect(admin.Update(ctx, secret)).To(Succeed())
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(HaveField("Reason", v1alpha1.ReasonSecretTerminating),
			HaveField("Message", ContainSubstring(hold))))
		release(ctx, f.secret())
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonRevoked))
	})

	It("is followed by an operator that runs: the key stops, and a new one is minted at once when the name is free", Serial, func(ctx context.Context) {
		f := newFixture(ctx)
		startOperator(f)
		f.create()
		f.eventuallyHealthy()
		old := f.value()
		f.holdSecret()
		Eventually(func() bool { return f.accepts(old) }).WithTimeout(patience).Should(BeFalse())
		Eventually(func() *metav1.Condition { return condition(f.key(), v1alpha1.ConditionReady) }).WithTimeout(patience).
			Should(HaveField("Reason", v1alpha1.ReasonSecretTerminating))
		held := f.secret()
		release(ctx, held)
		f.eventuallyHealthy(func(k *v1alpha1.APIKey) bool { return k.Status.SecretRef.UID != held.UID })
	})
})
