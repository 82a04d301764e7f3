// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// scenario is a reason to mint a key.
type scenario struct {
	name string
	// prepare brings the cluster to where a key has to be minted.
	prepare func(*fixture)
	// trigger is what the rotation is called when nothing interrupts it.
	trigger v1alpha1.RotationTrigger
	// handedOut is how many keys the Secret has held when all is done, the prepared ones and a planted one included.
	handedOut int
	// previousWorks says that the key before stays valid for a while.
	previousWorks bool
	// creates says that there is no Secret before, although the key was not just made.
	creates bool
}

func scenarios() []scenario {
	minted := func(f *fixture) { f.create(); f.settle() }

	return []scenario{
		{
			name: "the first key", handedOut: 1, trigger: v1alpha1.TriggerCreated,
			prepare: func(f *fixture) { f.create() },
		},
		{
			name: "a rotation", handedOut: 2, trigger: v1alpha1.TriggerAnnotation,
			prepare: func(f *fixture) { minted(f); f.rotate("now") },
		},
		{
			name: "a rotation with overlap", handedOut: 2, trigger: v1alpha1.TriggerAnnotation, previousWorks: true,
			prepare: func(f *fixture) {
				f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "10m"} })
				f.settle()
				f.rotate("now")
			},
		},
		{
			name: "a deleted Secret", handedOut: 2, trigger: v1alpha1.TriggerSecretDeleted,
			prepare: func(f *fixture) { minted(f); Expect(admin.Delete(f.ctx, f.secret())).To(Succeed()) },
		},
		{
			name: "an edited Secret", handedOut: 3, trigger: v1alpha1.TriggerSecretModified,
			prepare: func(f *fixture) { minted(f); f.plant("planted") },
		},
		{
			name: "the first key, delivered once", handedOut: 1, trigger: v1alpha1.TriggerCreated,
			prepare: func(f *fixture) { f.create(once) },
		},
		{
			name: "a rotation of a key that awaits its claim", handedOut: 2, trigger: v1alpha1.TriggerAnnotation,
			prepare: func(f *fixture) { f.create(once); f.settle(); f.rotate("now") },
		},
		{
			name: "a deleted Secret that was not claimed", handedOut: 2, trigger: v1alpha1.TriggerSecretDeleted,
			prepare: func(f *fixture) { f.create(once); f.settle(); Expect(admin.Delete(f.ctx, f.secret())).To(Succeed()) },
		},
		{
			name: "an edited Secret that was not claimed", handedOut: 3, trigger: v1alpha1.TriggerSecretModified,
			prepare: func(f *fixture) { f.create(once); f.settle(); f.plant("planted") },
		},
		{
			name: "a rotation of a claimed key", handedOut: 2, trigger: v1alpha1.TriggerAnnotation, creates: true,
			prepare: func(f *fixture) { f.deliver(); f.rotate("now") },
		},
		{
			name: "a rotation of a claimed key with overlap", handedOut: 2, trigger: v1alpha1.TriggerAnnotation, previousWorks: true, creates: true,
			prepare: func(f *fixture) { f.deliver(); f.rotate("now,overlap=10m") },
		},
		{
			name: "a schedule of a claimed key", handedOut: 2, trigger: v1alpha1.TriggerSchedule, creates: true,
			prepare: func(f *fixture) {
				f.deliver(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: "24h"} })
				f.advance(24 * time.Hour)
			},
		},
	}
}

// plant puts another value into the Secret.
func (f *fixture) plant(value string) {
	GinkgoHelper()
	secret := f.secret()
	secret.Data[v1alpha1.SecretKeyDefault] = []byte(value)
	Expect(admin.Update(f.ctx, secret)).To(Succeed())
}

var _ = Describe("An interrupted mint", func() {
	// Every mint is three writes: status Pending, Secret, status Active.
	for _, s := range scenarios() {
		for write := 1; write <= 3; write++ {
			for _, after := range []bool{false, true} {
				for _, forever := range []bool{true, false} {
					cut := testkit.Cut{Write: write, After: after, Forever: forever}
					It(fmt.Sprintf("recovers: %s, write %d, applied %t, process died %t", s.name, write, after, forever), func(ctx context.Context) {
						f := newFixture(ctx)
						s.prepare(f)

						_, err := f.pass(f.reconciler(testkit.NewWire(cut)))
						Expect(err).To(MatchError(testkit.ErrWire))
						expectNoDeadKeyInSecret(f)

						f.settle()
						f.expectHealthy()
						Expect(f.handedOut()).To(HaveLen(s.handedOut))
						Expect(f.accepts(f.handedOut()[0])).To(Equal(s.previousWorks || s.handedOut == 1))
						Expect(f.accepts("planted")).To(BeFalse())
					})
				}
			}
		}
	}

	for _, s := range scenarios() {
		It("is one GET and three writes when nothing interrupts it: "+s.name, func(ctx context.Context) {
			f := newFixture(ctx)
			s.prepare(f)
			wire := testkit.NewWire(testkit.Cut{})
			r := f.reconciler(wire)
			_, err := f.pass(r)
			Expect(err).NotTo(HaveOccurred())
			secretWrite := "PUT secrets"
			if s.creates || s.trigger == v1alpha1.TriggerCreated || s.trigger == v1alpha1.TriggerSecretDeleted {
				secretWrite = "POST secrets"
			}
			// The first two reads stand for the caches that a running operator has.
			Expect(wire.Calls()).To(Equal([]string{
				"GET apikeys", "GET secrets", "GET secrets", "PUT apikeys/status", secretWrite, "PUT apikeys/status",
			}))
			f.expectHealthy()
			Expect(f.key().Status.LastRotation.Trigger).To(Equal(s.trigger))
		})
	}
})

// expectNoDeadKeyInSecret checks that a workload that reads the Secret right now gets a key that verifiers accept,
// unless another writer has put it there.
func expectNoDeadKeyInSecret(f *fixture) {
	GinkgoHelper()
	secret := f.secret()
	if secret == nil || string(secret.Data[v1alpha1.SecretKeyDefault]) == "planted" {
		return
	}
	Expect(f.accepts(f.value())).To(BeTrue(), "the key in the Secret has a live record")
}

var _ = Describe("A crash loop", func() {
	It("fences off older writers when announced keys fill the status, and then mints", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		for range v1alpha1.MaxKeys { // each dies between the announcement and the Secret
			_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
			Expect(err).To(MatchError(testkit.ErrWire))
		}
		Expect(recordsIn(f.key(), v1alpha1.KeyPending)).To(HaveLen(v1alpha1.MaxKeys))

		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{})))
		Expect(err).NotTo(HaveOccurred())
		Expect(f.key().Status.Keys).To(BeEmpty(), "announced keys after the fence")
		Expect(f.secret().Data).To(BeEmpty(), "a fence is no key")

		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(1))
		Expect(f.events).NotTo(ContainElement("SecretModified"), "the fence is our own")
	})

	It("keeps the active key working throughout a rotation that crashes again and again", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		old := f.value()
		f.rotate("now")
		for range 2 * v1alpha1.MaxKeys {
			_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
			Expect(f.value()).To(Equal(old))
			Expect(f.accepts(old)).To(BeTrue())
			Expect(len(f.key().Status.Keys)).To(BeNumerically("<=", v1alpha1.MaxKeys))
		}
		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(2))
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("makes the write of a writer that was held up fail after a fence", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		for range v1alpha1.MaxKeys {
			_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
		}
		// A writer that has announced its key creates a Secret it believes absent, but only after the fence.
		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{})))
		Expect(err).NotTo(HaveOccurred())
		late := f.secret()
		late.ResourceVersion, late.UID = "", ""
		Expect(admin.Create(ctx, late)).NotTo(Succeed())
	})
})

var _ = Describe("The recovery table", func() {
	It("does nothing when the digest is Active and nothing is pending", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		wire := testkit.NewWire(testkit.Cut{})
		_, err := f.pass(f.reconciler(wire))
		Expect(err).NotTo(HaveOccurred())
		Expect(wire.Writes()).To(BeEmpty())
		Expect(wire.Calls()).To(Equal([]string{"GET apikeys", "GET secrets"}), "and does not read the Secret's content")
	})

	It("finishes the rotation when the digest is Active and something is pending", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		f.rotate("now")
		_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
		f.rotate("") // the cause is gone; what was announced is not taken back
		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(2))
		Expect(f.key().Status.LastRotation.Trigger).To(Equal(v1alpha1.TriggerRecovered))
	})

	It("never blesses a planted key, and says so", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		planted, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
		Expect(err).NotTo(HaveOccurred())
		f.plant(planted.Reveal())
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(planted.Reveal())).To(BeFalse())
		Expect(f.events).To(ContainElements("Rotated", "SecretModified"))
	})

	It("does not take back an older key that a backup has restored", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		old := f.value()
		f.rotate("now")
		f.settle()
		f.plant(old)
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
		Expect(f.value()).NotTo(Equal(old))
	})

	It("stops the key at once when the Secret is deleted, whatever the overlap", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "10m"} })
		f.settle()
		old := f.value()
		Expect(admin.Delete(ctx, f.secret())).To(Succeed())
		_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
		Expect(f.accepts(old)).To(BeFalse(), "before the new key is handed out")
		f.settle()
		f.expectHealthy()
	})

	It("mints again for an object that was restored without its status", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		old := f.value()
		apikey := f.key()
		apikey.Status = v1alpha1.APIKeyStatus{}
		Expect(admin.Status().Update(ctx, apikey)).To(Succeed())
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
	})
})
