// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// soon is how late an operator that runs may follow something that it watches for. On a quiet machine it takes milliseconds.
const soon = 5 * time.Second

// eventuallyBlocked waits until the APIKey waits for a Secret in its way.
func (f *fixture) eventuallyBlocked() {
	GinkgoHelper()
	Eventually(func() *metav1.Condition { return condition(f.key(), v1alpha1.ConditionReady) }).WithTimeout(patience).
		Should(HaveField("Reason", v1alpha1.ReasonSecretConflict))
}

// eventuallyMinted waits a short while for a key.
func (f *fixture) eventuallyMinted() {
	GinkgoHelper()
	Eventually(func() v1alpha1.Phase { return f.key().Status.Phase }).WithTimeout(soon).WithPolling(10 * time.Millisecond).
		Should(Equal(v1alpha1.PhaseActive))
}

var _ = Describe("A Secret in the way of an APIKey", Serial, func() {
	for _, secretType := range []corev1.SecretType{corev1.SecretTypeOpaque, v1alpha1.SecretType} {
		It("makes room for a key as soon as it is deleted: "+string(secretType), func(ctx context.Context) {
			f := newFixture(ctx)
			startOperator(f)
			for range 3 {
				secret := f.foreign(secretType)
				f.create()
				f.eventuallyBlocked()
				Expect(admin.Delete(ctx, secret)).To(Succeed())
				f.eventuallyMinted()
				Expect(admin.Delete(ctx, f.key())).To(Succeed())
				Expect(admin.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(f.name.Namespace))).To(Succeed())
			}
		})
	}

	It("makes room also when it has changed a few times before, and when it waits for a finalizer", func(ctx context.Context) {
		f := newFixture(ctx)
		startOperator(f)
		secret := f.foreign(corev1.SecretTypeOpaque)
		f.create()
		f.eventuallyBlocked()
		for i := range 3 {
			afterPasses(1, func() {
				metav1.SetMetaDataLabel(&secret.ObjectMeta, "round", fmt.Sprint(i))
				Expect(admin.Update(ctx, secret)).To(Succeed())
			})
		}
		secret.Finalizers = []string{hold}
		Expect(admin.Update(ctx, secret)).To(Succeed())
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
		release(ctx, secret)
		f.eventuallyMinted()
	})

	It("is handed from an APIKey that was renamed to the new one", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		old, renamed := fixtures[0], fixtures[1]
		startOperator(old)
		old.create()
		old.eventuallyHealthy()
		secret := old.secret()
		renamed.create(func(k *v1alpha1.APIKey) { k.Spec.Secret = &v1alpha1.SecretTemplate{Name: old.name.Name} })
		renamed.eventuallyBlocked()
		Expect(admin.Delete(ctx, old.key())).To(Succeed())
		Expect(admin.Delete(ctx, secret)).To(Succeed()) // as garbage collection does
		renamed.eventuallyMinted()
		Expect(renamed.secret().UID).NotTo(Equal(secret.UID))
	})

	It("makes room for each of more APIKeys than are watched for one by one", func(ctx context.Context) {
		const many = 80 // the last ones look again after 30 seconds
		fixtures := newFixtures(ctx, many)
		startOperator(fixtures[0])
		for _, f := range fixtures {
			f.foreign(corev1.SecretTypeOpaque)
			f.create()
		}
		for _, f := range fixtures {
			f.eventuallyBlocked()
		}
		Expect(admin.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(fixtures[0].name.Namespace))).To(Succeed())
		for _, f := range fixtures {
			Eventually(func() v1alpha1.Phase { return f.key().Status.Phase }).WithTimeout(3 * patience).Should(Equal(v1alpha1.PhaseActive))
		}
	})
})
