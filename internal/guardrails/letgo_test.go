// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// minted stores an APIKey with everything that needs a grant, as the operator leaves it once it has handed the key out.
func minted(ctx context.Context, namespace string, changes ...func(*v1alpha1.APIKey)) (*v1alpha1.APIKey, *corev1.Secret) {
	GinkgoHelper()
	apikey := newAPIKey(namespace, append([]func(*v1alpha1.APIKey){largest()}, changes...)...)
	Expect(admin.Create(ctx, apikey)).To(Succeed())
	secret := secretOf(namespace, apikey.Name, v1alpha1.SecretType, controllerRef(apikey))
	secret.Finalizers = nil
	Expect(as(operatorUser).Create(ctx, secret)).To(Succeed())
	apikey.Status = fullStatus()
	Expect(as(operatorUser).Status().Update(ctx, apikey)).To(Succeed())

	return apikey, secret
}

// collectorSees waits until garbage collection knows the APIKeys and Secrets that a namespace has by now.
func collectorSees(ctx context.Context, namespace string) {
	GinkgoHelper()
	last := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "last-"}}
	Expect(testkit.AwaitCollector(ctx, admin, newAPIKey(namespace), last)).To(Succeed())
}

// gone waits until an object is not there any more.
func gone(ctx context.Context, object client.Object, timeout time.Duration) {
	GinkgoHelper()
	Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(object), object) }).
		WithTimeout(timeout).WithPolling(50 * time.Millisecond).Should(MatchError(apierrors.IsNotFound, "not found"))
}

var _ = Describe("The guardrails let go of an APIKey", func() {
	It("for a user without any grant who takes off finalizers and owner references and deletes it", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"}}
		Expect(admin.Create(ctx, owner)).To(Succeed())
		apikey, _ := minted(ctx, namespace, func(apikey *v1alpha1.APIKey) {
			apikey.Finalizers = []string{"example.com/archive"}
			apikey.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}
		})
		const cleaner = "cleaner@example.com"
		allow(ctx, cleaner, namespace, mayEdit)

		apikey.OwnerReferences = nil
		Expect(as(cleaner).Update(ctx, apikey)).To(Succeed())
		Expect(as(cleaner).Delete(ctx, apikey)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(apikey), apikey)).To(Succeed())
		Expect(apikey.DeletionTimestamp).NotTo(BeNil())
		apikey.Finalizers = nil
		Expect(as(cleaner).Update(ctx, apikey)).To(Succeed())
		gone(ctx, apikey, inForceTimeout)
	})

	It("and the garbage collector takes its Secret along", func(ctx SpecContext) {
		apikey, secret := minted(ctx, newNamespace(ctx))
		collectorSees(ctx, apikey.Namespace)
		Expect(admin.Delete(ctx, apikey, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		gone(ctx, secret, inForceTimeout)
	})

	It("and the garbage collector takes its Secret along first, where that is asked for", func(ctx SpecContext) {
		apikey, secret := minted(ctx, newNamespace(ctx))
		collectorSees(ctx, apikey.Namespace)
		Expect(admin.Delete(ctx, apikey, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		gone(ctx, apikey, inForceTimeout)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(MatchError(apierrors.IsNotFound, "not found"))
	})

	It("and the garbage collector leaves its Secret behind, where that is asked for", func(ctx SpecContext) {
		apikey, secret := minted(ctx, newNamespace(ctx))
		collectorSees(ctx, apikey.Namespace)
		Expect(admin.Delete(ctx, apikey, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		gone(ctx, apikey, inForceTimeout)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
		Expect(secret.OwnerReferences).To(BeEmpty())
	})

	for _, policy := range []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	} {
		remains := policy == metav1.DeletePropagationOrphan
		It("that has an owner of its own, which is deleted: "+string(policy), func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"}}
			Expect(admin.Create(ctx, owner)).To(Succeed())
			apikey, secret := minted(ctx, namespace, func(apikey *v1alpha1.APIKey) {
				apikey.OwnerReferences = []metav1.OwnerReference{
					{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: new(true)},
				}
			})
			collectorSees(ctx, namespace)
			Expect(admin.Delete(ctx, owner, client.PropagationPolicy(policy))).To(Succeed())
			gone(ctx, owner, inForceTimeout)
			if !remains {
				gone(ctx, apikey, inForceTimeout)
				gone(ctx, secret, inForceTimeout)

				return
			}
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(apikey), apikey)).To(Succeed())
			Expect(apikey.OwnerReferences).To(BeEmpty())
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
			Expect(secret.OwnerReferences).NotTo(BeEmpty())
		})
	}

	It("and the garbage collector takes off one of two owners of its Secret when that one is gone", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"}}
		Expect(admin.Create(ctx, owner)).To(Succeed())
		apikey, secret := minted(ctx, namespace)
		secret.OwnerReferences = append(secret.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID})
		Expect(as(operatorUser).Update(ctx, secret)).To(Succeed())
		collectorSees(ctx, namespace)
		Expect(admin.Delete(ctx, owner)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
			g.Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", apikey.UID)))
		}).WithTimeout(inForceTimeout).WithPolling(50 * time.Millisecond).Should(Succeed())
	})

	It("within a minute of the deletion of its namespace", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		for range 20 {
			minted(ctx, namespace)
		}
		for _, kind := range []corev1.SecretType{v1alpha1.SecretType, corev1.SecretTypeOpaque} { // of no APIKey
			other := secretOf(namespace, "of-no-apikey", kind)
			other.GenerateName, other.Name, other.Finalizers = "of-no-apikey-", "", nil
			Expect(admin.Create(ctx, other)).To(Succeed())
		}
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		Expect(admin.Delete(ctx, object)).To(Succeed())
		gone(ctx, object, time.Minute)
	})
})
