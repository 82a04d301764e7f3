// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// replaceSecret puts a Secret of another owner in the place of the key's.
func (f *fixture) replaceSecret() {
	GinkgoHelper()
	if secret := f.secret(); secret != nil {
		Expect(admin.Delete(f.ctx, secret)).To(Succeed())
	}
	Expect(admin.Create(f.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, Name: f.key().SecretName()}, StringData: map[string]string{"theirs": "x"},
	})).To(Succeed())
}

// The simulation found that a record that was forged as Pending stayed in force: an operator that first saw it after its start took it for the
// announcement of a predecessor, and vouched for it with its own next announcement.
var _ = Describe("A forged Pending record that the operator first sees after its start, and announces another key beside it", func() {
	for name, block := range testkit.Sorted(map[string]func(*fixture, *controller.Reconciler){
		"a Secret of another owner is in the way": func(f *fixture, _ *controller.Reconciler) { f.replaceSecret() },
		"the Secret has lost its owner": func(f *fixture, _ *controller.Reconciler) {
			secret := f.secret()
			secret.OwnerReferences = nil
			Expect(admin.Update(f.ctx, secret)).To(Succeed())
		},
		"the Secret is being deleted": func(f *fixture, _ *controller.Reconciler) {
			secret := f.secret()
			secret.Finalizers = []string{"example.com/hold"}
			Expect(admin.Update(f.ctx, secret)).To(Succeed())
			Expect(admin.Delete(f.ctx, secret)).To(Succeed())
		},
		"guardrails are missing": func(_ *fixture, r *controller.Reconciler) { unguard(r) },
		"the key is suspended, and a Secret of another owner is in the way": func(f *fixture, _ *controller.Reconciler) {
			f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
			f.replaceSecret()
		},
	}) {
		for _, delivery := range []v1alpha1.SecretDelivery{v1alpha1.DeliveryKeep, v1alpha1.DeliveryOnce} {
			It("is dropped although "+name+", with delivery "+string(delivery), func(ctx context.Context) {
				f := newFixture(ctx)
				f.create(func(k *v1alpha1.APIKey) { k.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: delivery} })
				f.settle()
				chosen := f.forge(v1alpha1.KeyPending)
				r := f.checking(testkit.NewWire(testkit.Cut{Write: 2}))
				_, err := f.pass(r)
				Expect(err).To(MatchError(testkit.ErrWire), "its key is announced and not handed out")
				Expect(recordsIn(f.key(), v1alpha1.KeyPending)).To(HaveLen(2))
				block(f, r)
				for range 4 {
					_, err := f.pass(r)
					Expect(err).NotTo(HaveOccurred())
				}
				for _, record := range recordsIn(f.key(), v1alpha1.KeyPending) {
					Expect(record.ID).NotTo(Equal(idOf(chosen)))
				}
				f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = false })
				Expect(f.accepts(chosen)).To(BeFalse())
			})
		}
	}

	It("is dropped although the key was claimed and a Secret of another owner is in the way", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver()
		chosen := f.forge(v1alpha1.KeyPending)
		r := f.checking(testkit.NewWire(testkit.Cut{Write: 2}))
		_, err := f.pass(r)
		Expect(err).To(MatchError(testkit.ErrWire))
		f.replaceSecret()
		for range 4 {
			_, err := f.pass(r)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(f.accepts(chosen)).To(BeFalse())
		Expect(f.accepts(value)).To(BeTrue(), "the claimed key needs no Secret")
	})
})
