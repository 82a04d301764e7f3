// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// expectEnded checks that a key has ended for good: no Secret, no live record, and nothing more to write.
func (f *fixture) expectEnded(phase v1alpha1.Phase) {
	GinkgoHelper()
	apikey := f.key()
	Expect(apikey.Status.Phase).To(Equal(phase))
	Expect(f.secret()).To(BeNil())
	Expect(apikey.Status.SecretRef).To(BeNil())
	for _, r := range apikey.Status.Keys {
		Expect(r.State).To(Equal(v1alpha1.KeyRetiring))
		Expect(r.NotAfter.Time).NotTo(BeTemporally(">", f.clock.Now()))
	}
	Expect(condition(apikey, v1alpha1.ConditionActive).Status).To(Equal(metav1.ConditionFalse))
	f.advance(time.Hour)
	wire := testkit.NewWire(testkit.Cut{})
	f.settleWith(wire)
	Expect(wire.Writes()).To(BeEmpty(), "an hour later")
	f.advance(-time.Hour)
}

func (f *fixture) advance(d time.Duration) { f.clock.SetTime(f.clock.Now().Add(d)) }

var _ = Describe("Expiry", func() {
	It("deletes the Secret when its time has come, with a check of the version, one delete and one status write", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		result := f.settle()
		expiresAt := f.key().CreationTimestamp.Add(time.Hour)
		Expect(f.key().Status.ExpiresAt.Time).To(BeTemporally("==", expiresAt))
		Expect(f.clock.Now().Add(result.RequeueAfter)).To(BeTemporally("==", expiresAt), "the operator wakes at the time")
		value := f.value()

		f.clock.SetTime(expiresAt.Add(-time.Second))
		f.expectUntouched(value)
		f.clock.SetTime(expiresAt)
		wire := testkit.NewWire(testkit.Cut{})
		f.settleWith(wire)
		Expect(wire.Writes()).To(Equal([]string{"PUT apikeys/status", "DELETE secrets", "PUT apikeys/status"}))
		f.expectEnded(v1alpha1.PhaseExpired)
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonExpired))
		Expect(f.key().Status.Keys).To(HaveLen(1), "the record stays, so that a verifier can say why")
		Expect(f.events).To(Equal([]string{"Minted", "Expired"}))
	})

	It("is caught up with by an operator that was down", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.advance(1000 * time.Hour)
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
	})

	It("is not undone by an edit after it has passed", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.advance(2 * time.Hour)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "10000h" }) // before the operator has looked
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
	})

	It("follows an edit before it has passed, both ways", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "10h" })
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "20h" })
		f.settle()
		f.advance(15 * time.Hour)
		f.settle()
		f.expectHealthy()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "16h" })
		Expect(f.settle().RequeueAfter).To(BeNumerically("~", time.Hour, 2*time.Second))
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
	})

	It("is not undone by a clock that steps back", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.advance(time.Hour)
		f.settle()
		f.advance(-3 * time.Hour)
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseExpired))
		Expect(f.secret()).To(BeNil())
	})

	It("ends a suspended key", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor, k.Spec.Suspend = "1h", true })
		f.settle()
		f.advance(time.Hour)
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
	})

	It("cleans up a Secret that a slower reconciler has made since", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		secret := f.secret()
		f.advance(time.Hour)
		f.settle()
		secret.ResourceVersion, secret.UID = "", ""
		Expect(admin.Create(ctx, secret)).To(Succeed())
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
	})

	DescribeTable("is understood in every zone", func(ctx context.Context, expiresAt string, want string) {
		f := newFixture(ctx)
		Expect(admin.Create(ctx, apikeyExpiring(f.name, expiresAt))).To(Succeed())
		f.settle()
		if want == "" {
			Expect(f.handedOut()).To(BeEmpty(), "no key is minted for an APIKey that has expired already")
			Expect(condition(f.key(), v1alpha1.ConditionReady).Message).To(ContainSubstring("none was minted"))
			f.expectEnded(v1alpha1.PhaseExpired)

			return
		}
		f.expectHealthy()
		Expect(f.key().Status.ExpiresAt.UTC().Format(time.RFC3339)).To(Equal(want))
	},
		Entry("in the past", "2020-01-01T00:00:00Z", ""),
		Entry("in the past, by an offset east", "2020-01-01T00:00:00+14:00", ""),
		Entry("at the earliest that admission lets through", "2000-01-01T00:00:00Z", ""),
		Entry("with an offset", "2099-06-01T12:00:00+02:00", "2099-06-01T10:00:00Z"),
		Entry("with an offset west", "2099-06-01T12:00:00-05:30", "2099-06-01T17:30:00Z"),
		Entry("with a fraction, which is cut off", "2099-06-01T12:00:00.999999999Z", "2099-06-01T12:00:00Z"),
		Entry("at the last second that admission lets through", "2999-12-31T23:59:59Z", "2999-12-31T23:59:59Z"),
	)
})

// apikeyExpiring is an APIKey whose expiry is written as given, which the Go type would normalize.
func apikeyExpiring(name client.ObjectKey, expiresAt string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "APIKey",
		"metadata": map[string]any{"namespace": name.Namespace, "name": name.Name},
		"spec":     map[string]any{"environment": "Production", "expiresAt": expiresAt},
	}}
}

var _ = Describe("Revocation", func() {
	It("deletes the Secret and keeps the object and its history", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		value := f.value()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
		Expect(f.accepts(value)).To(BeFalse())
		Expect(f.key().Status.Keys).To(HaveLen(1))
		Expect(f.key().Status.LastRotation).NotTo(BeNil())
		Expect(condition(f.key(), v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
		Expect(f.events).To(Equal([]string{"Minted", "Revoked"}))
	})

	It("of a key that was never minted mints none", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
		Expect(f.handedOut()).To(BeEmpty())
	})

	It("wins over an expiry that comes later, and stays what it is", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		f.advance(2 * time.Hour)
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
	})

	DescribeTable("survives being interrupted", func(ctx context.Context, cut testkit.Cut) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		_, err := f.pass(f.reconciler(testkit.NewWire(cut)))
		Expect(err).To(MatchError(testkit.ErrWire))
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
	},
		Entry("before the delete", testkit.Cut{Write: 1, Forever: true}),
		Entry("after the delete", testkit.Cut{Write: 1, After: true, Forever: true}),
		Entry("before the status", testkit.Cut{Write: 2, Forever: true}),
		Entry("after the status", testkit.Cut{Write: 2, After: true, Forever: true}),
	)

	It("does not delete a Secret that has changed hands since it was observed", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		secret := f.secret()
		secret.OwnerReferences = nil
		Expect(admin.Update(ctx, secret)).To(Succeed())
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
		Expect(f.secret()).NotTo(BeNil(), "it is no longer ours to delete")
	})
})

var _ = Describe("Suspension", func() {
	It("keeps the Secret and refuses the key, and can be undone", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		value := f.value()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseSuspended))
		Expect(condition(f.key(), v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
		Expect(condition(f.key(), v1alpha1.ConditionActive).Status).To(Equal(metav1.ConditionFalse))
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = false })
		f.settle()
		f.expectHealthy()
		Expect(f.value()).To(Equal(value))
		Expect(f.events).To(Equal([]string{"Minted", "Suspended", "Resumed"}))
	})
})
