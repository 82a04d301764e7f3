// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// foreign creates a Secret with the name that the APIKey needs.
func (f *fixture) foreign(secretType corev1.SecretType, owners ...metav1.OwnerReference) *corev1.Secret {
	GinkgoHelper()

	return f.foreignNamed(f.name.Name, secretType, owners...)
}

func (f *fixture) foreignNamed(name string, secretType corev1.SecretType, owners ...metav1.OwnerReference) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, Name: name, OwnerReferences: owners},
		Type:       secretType,
		Data:       map[string][]byte{v1alpha1.SecretKeyDefault: []byte("another program's")},
	}
	Expect(admin.Create(f.ctx, secret)).To(Succeed())

	return secret
}

// expectConflict checks that the operator reports a Secret that is not ours and has not touched it.
func (f *fixture) expectConflict(secret *corev1.Secret) {
	GinkgoHelper()
	apikey := f.key()
	Expect(condition(apikey, v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonSecretConflict))
	Expect(condition(apikey, v1alpha1.ConditionStalled)).To(HaveField("Status", metav1.ConditionTrue))
	Expect(condition(apikey, v1alpha1.ConditionReady).Message).To(And(ContainSubstring(secret.Name), ContainSubstring("delete or rename that Secret")))
	now := &corev1.Secret{}
	Expect(admin.Get(f.ctx, client.ObjectKeyFromObject(secret), now)).To(Succeed())
	Expect(now).To(Equal(secret), "the Secret that is not ours")
}

var _ = Describe("A Secret that is not ours", func() {
	owner := func(uid types.UID) metav1.OwnerReference {
		controls := true

		return metav1.OwnerReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey", Name: "main-website", UID: uid, Controller: &controls,
		}
	}

	DescribeTable("is never touched", func(ctx context.Context, secretType corev1.SecretType, owners ...metav1.OwnerReference) {
		f := newFixture(ctx)
		secret := f.foreign(secretType, owners...)
		f.create()
		result := f.settle()
		f.expectConflict(secret)
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhasePending))
		Expect(result.RequeueAfter).To(BeNumerically(">", 0), "it is looked at again, because no event tells when it is gone")
		Expect(f.events).To(ConsistOf(v1alpha1.ReasonSecretConflict), "told once")

		Expect(admin.Delete(ctx, secret)).To(Succeed())
		f.settle()
		f.expectHealthy()
		Expect(condition(f.key(), v1alpha1.ConditionStalled)).To(BeNil())
	},
		Entry("when it was there before, of another type", corev1.SecretTypeOpaque),
		Entry("when it was there before, of our type", corev1.SecretType(v1alpha1.SecretType)),
		Entry("when a namesake with another uid controls it", corev1.SecretType(v1alpha1.SecretType), owner("7c5c8f0e-0000-4000-8000-000000000000")),
	)

	It("is never touched when it names us as its owner but is of another type", func(ctx context.Context) {
		f := newFixture(ctx)
		apikey := f.create()
		secret := f.foreign(corev1.SecretTypeOpaque, owner(apikey.UID))
		f.settle()
		f.expectConflict(secret)
	})

	It("goes to one of two APIKeys that want it", func(ctx context.Context) {
		f, g := newFixture(ctx), newFixture(ctx)
		g.name = client.ObjectKey{Namespace: f.name.Namespace, Name: "other"}
		wanting := func(k *v1alpha1.APIKey) { k.Spec.Secret = &v1alpha1.SecretTemplate{Name: "shared"} }
		f.create(wanting)
		g.create(wanting)
		f.settle()
		g.settle()
		f.expectHealthy()
		g.expectConflict(f.secret())
		f.settle()
		f.expectHealthy()
	})

	It("ends the key whose own Secret it has replaced", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		old := f.value()
		Expect(admin.Delete(ctx, f.secret())).To(Succeed())
		secret := f.foreign(corev1.SecretTypeOpaque)
		f.settle()
		f.expectConflict(secret)
		Expect(f.accepts(old)).To(BeFalse(), "deleting the Secret stops the key, whatever stands there now")
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhasePending))
	})

	It("leaves the key working when only our mark was taken off", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		secret := f.secret()
		secret.OwnerReferences = nil
		Expect(admin.Update(ctx, secret)).To(Succeed())
		f.settle()
		f.expectConflict(secret)
		Expect(f.accepts(f.value())).To(BeTrue())
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseActive))
	})

	It("survives the revocation of an APIKey that wanted it", func(ctx context.Context) {
		f := newFixture(ctx)
		secret := f.foreign(corev1.SecretTypeOpaque)
		f.create()
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
	})
})

var _ = Describe("The Secret", func() {
	It("is of our type, controlled by the APIKey, and holds the key and nothing else", func(ctx context.Context) {
		f := newFixture(ctx)
		apikey := f.create()
		f.settle()
		secret := f.secret()
		Expect(secret.Type).To(Equal(corev1.SecretType(v1alpha1.SecretType)))
		Expect(metav1.IsControlledBy(secret, apikey)).To(BeTrue())
		Expect(secret.Data).To(HaveLen(1))
		Expect(secret.Labels).To(Equal(map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue}))
		Expect(secret.Annotations).To(Equal(map[string]string{v1alpha1.SecretValidKeysAnnotation: f.key().Status.Keys[0].Digest}))
		Expect(secret.Finalizers).To(BeEmpty())
		Expect(apikey.Finalizers).To(BeEmpty())
	})

	It("has the name, data key, labels and annotations that spec.secret asks for, and follows it", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) {
			k.Spec.Secret = &v1alpha1.SecretTemplate{
				Name: "storefront-key", Key: "token",
				Labels:      map[string]v1alpha1.LabelValue{"team": "web", "tier": "front"},
				Annotations: map[string]v1alpha1.AnnotationValue{"example.com/reload": "true"},
			}
		})
		f.settle()
		f.expectHealthy()
		value := f.value()
		Expect(f.secret().Name).To(Equal("storefront-key"))
		Expect(f.secret().Data).To(HaveKey("token"))
		Expect(f.secret().Labels).To(And(HaveKeyWithValue("team", "web"), HaveKeyWithValue("tier", "front")))
		Expect(f.secret().Annotations).To(HaveKeyWithValue("example.com/reload", "true"))

		By("changing one label and taking the others out")
		f.edit(func(k *v1alpha1.APIKey) {
			k.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "platform"}
			k.Spec.Secret.Annotations = nil
		})
		f.settle()
		f.expectHealthy()
		Expect(f.secret().Labels).To(And(HaveKeyWithValue("team", "platform"), Not(HaveKey("tier"))))
		Expect(f.secret().Annotations).NotTo(HaveKey("example.com/reload"))
		Expect(f.value()).To(Equal(value), "the key stays")
	})

	It("gets its labels back when a user removes them, and keeps the labels that others have added", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) {
			k.Spec.Secret = &v1alpha1.SecretTemplate{Labels: map[string]v1alpha1.LabelValue{"team": "web"}}
		})
		f.settle()
		value := f.value()
		secret := f.secret()
		secret.Labels = map[string]string{"added-by": "someone"}
		secret.Annotations = map[string]string{v1alpha1.SecretAppliedAnnotation: "{not JSON"}
		secret.Data["extra"] = []byte("data")
		Expect(admin.Update(ctx, secret)).To(Succeed())
		f.settle()
		f.expectHealthy()
		Expect(f.secret().Labels).To(And(HaveKeyWithValue("team", "web"), HaveKeyWithValue("added-by", "someone"),
			HaveKeyWithValue(v1alpha1.SecretManagedByLabel, v1alpha1.SecretManagedByValue)))
		Expect(f.secret().Data).To(HaveKey("extra"))
		Expect(f.value()).To(Equal(value))
	})

	It("costs one read and one status write when a user annotates it", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		secret := f.secret()
		secret.Annotations = map[string]string{"example.com/seen": "yes"}
		Expect(admin.Update(ctx, secret)).To(Succeed())
		wire := testkit.NewWire(testkit.Cut{})
		f.settleWith(wire)
		Expect(wire.Writes()).To(Equal([]string{"PUT apikeys/status"}))
		f.expectHealthy()
	})
})
