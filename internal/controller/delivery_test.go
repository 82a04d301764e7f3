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

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// once makes an APIKey deliver its key once.
func once(k *v1alpha1.APIKey) {
	k.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce}
}

// What Ready says about a claim annotation that claims nothing.
const (
	otherClaim   = "is ignored, because its value is not the id of the active key"
	keptDelivery = "is ignored, because spec.secret.delivery is not Once"
)

// claim sets the claim annotation.
func (f *fixture) claim(id string) {
	GinkgoHelper()
	f.edit(func(k *v1alpha1.APIKey) { metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.ClaimAnnotation, id) })
}

// idOf returns the id of a key.
func idOf(value string) string { return keys.DigestOf(value).ID() }

// deliver creates an APIKey that delivers once, and claims its key, which it returns.
func (f *fixture) deliver(changes ...func(*v1alpha1.APIKey)) string {
	GinkgoHelper()
	f.create(append([]func(*v1alpha1.APIKey){once}, changes...)...)
	f.settle()
	value := f.value()
	f.claim(idOf(value))
	f.settle()

	return value
}

// expectClaimed checks that a key works although no copy of it is left, and that nothing else was minted.
func (f *fixture) expectClaimed(value string) {
	GinkgoHelper()
	apikey := f.key()
	Expect(f.secret()).To(BeNil())
	Expect(f.accepts(value)).To(BeTrue())
	Expect(apikey.Status.Keys).To(HaveLen(1))
	Expect(apikey.Status.Keys[0]).To(And(HaveField("State", v1alpha1.KeyActive), HaveField("ClaimDeadline", BeNil()), HaveField("ID", idOf(value))))
	Expect(apikey.Status.ClaimedAt).NotTo(BeNil())
	Expect(apikey.Status.SecretRef).To(BeNil())
	Expect(apikey.Status.Phase).To(Equal(v1alpha1.PhaseActive))
	Expect(condition(apikey, v1alpha1.ConditionReady)).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonClaimed)))
	Expect(condition(apikey, v1alpha1.ConditionActive)).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonClaimed)))
	Expect(condition(apikey, v1alpha1.ConditionReconciling)).To(BeNil())
	Expect(f.handedOut()[len(f.handedOut())-1]).To(Equal(value))
	f.expectAtRest()
}

// expectAtRest checks that an operator that has just started has nothing to write, now and long after every deadline of a claim.
func (f *fixture) expectAtRest() {
	GinkgoHelper()
	for _, later := range []time.Duration{0, 1000 * time.Hour} {
		f.advance(later)
		wire := testkit.NewWire(testkit.Cut{})
		f.settleWith(wire)
		Expect(wire.Writes()).To(BeEmpty(), "after %s", later)
		f.advance(-later)
	}
}

var _ = Describe("A claim", func() {
	It("is two status writes and a delete between them, and leaves a key that works without a Secret", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		result := f.settle()
		Expect(result.RequeueAfter).To(Equal(v1alpha1.ClaimBeforeDefault), "the operator wakes at the deadline")
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(
			HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonAwaitingClaim)))
		Expect(f.key().Status.Keys[0].ClaimDeadline.Time).To(BeTemporally("==", f.clock.Now().Add(v1alpha1.ClaimBeforeDefault)))
		value := f.value()
		f.claim(idOf(value))
		wire := testkit.NewWire(testkit.Cut{})
		_, err := f.pass(f.reconciler(wire))
		Expect(err).NotTo(HaveOccurred())
		Expect(wire.Calls()).To(Equal([]string{
			"GET apikeys", "GET secrets", "GET secrets", "PUT apikeys/status", "DELETE secrets", "PUT apikeys/status",
		}))
		f.expectClaimed(value)
		Expect(f.handedOut()).To(HaveLen(1))
		Expect(f.events).To(Equal([]string{"Minted", "Claimed"}))
	})

	for write := 1; write <= 3; write++ {
		for _, after := range []bool{false, true} {
			for _, forever := range []bool{true, false} {
				cut := testkit.Cut{Write: write, After: after, Forever: forever}
				It(fmt.Sprintf("is finished after an interruption: write %d, applied %t, process died %t", write, after, forever), func(ctx context.Context) {
					f := newFixture(ctx)
					f.create(once)
					f.settle()
					value := f.value()
					f.claim(idOf(value))
					_, err := f.pass(f.reconciler(testkit.NewWire(cut)))
					Expect(err).To(MatchError(testkit.ErrWire))
					Expect(f.accepts(value)).To(BeTrue())
					f.settle()
					f.expectClaimed(value)
					Expect(f.handedOut()).To(HaveLen(1), "nothing is minted")
				})
			}
		}
		for _, passes := range []int{1, 4} {
			It(fmt.Sprintf("is acted on once by two reconcilers: %d passes of the other before write %d", passes, write), func(ctx context.Context) {
				f := newFixture(ctx)
				f.create(once)
				f.settle()
				value := f.value()
				f.claim(idOf(value))
				other := f.reconciler(testkit.NewWire(testkit.Cut{}))
				wire := testkit.NewWire(testkit.Cut{Write: write, Meanwhile: func() {
					for range passes {
						_, err := f.pass(other)
						Expect(err).NotTo(HaveOccurred())
					}
				}})
				_, err := f.pass(f.reconciler(wire))
				Expect(err).NotTo(HaveOccurred())
				f.settle()
				f.expectClaimed(value)
				Expect(f.handedOut()).To(HaveLen(1))
				Expect(f.events).To(Equal([]string{"Minted", "Claimed"}))
			})
			It(fmt.Sprintf("gives way to a rotation: %d passes of the other before write %d", passes, write), func(ctx context.Context) {
				f := newFixture(ctx)
				f.create(once)
				f.settle()
				old := f.value()
				f.claim(idOf(old))
				other := f.reconciler(testkit.NewWire(testkit.Cut{}))
				wire := testkit.NewWire(testkit.Cut{Write: write, Meanwhile: func() {
					f.rotate("now")
					for range passes {
						_, err := f.pass(other)
						Expect(err).NotTo(HaveOccurred())
					}
				}})
				_, err := f.pass(f.reconciler(wire))
				Expect(err).NotTo(HaveOccurred())
				f.settle()
				f.expectHealthy()
				Expect(f.handedOut()).To(HaveLen(2), "no delivery is lost")
				Expect(f.accepts(old)).To(BeFalse())
				Expect(f.key().Status.ClaimedAt).To(BeNil())
				f.claim(idOf(f.value()))
				value := f.value()
				f.settle()
				f.expectClaimed(value)
			})
		}
	}

	// The writer of a rotation has announced its key and is held up; the claim of the old key is acted on meanwhile, up to the delete. Then
	// the writer goes on. The delete must not take the new key.
	It("does not delete the key of a rotation that was under way", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		old := f.value()
		f.rotate("now")
		heldUp, goOn, written := make(chan struct{}), make(chan struct{}), make(chan struct{})
		rotating := f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Meanwhile: func() { close(heldUp); <-goOn }}))
		go func() {
			defer GinkgoRecover()
			defer close(written)
			_, err := f.pass(rotating)
			Expect(err).NotTo(HaveOccurred(), "a conflict is no error")
		}()
		Eventually(heldUp).WithTimeout(patience).Should(BeClosed())
		f.claim(idOf(old))
		wire := testkit.NewWire(testkit.Cut{Write: 2, Meanwhile: func() {
			close(goOn)
			Eventually(written).WithTimeout(patience).Should(BeClosed())
		}})
		_, err := f.pass(f.reconciler(wire))
		Expect(err).NotTo(HaveOccurred())
		Expect(wire.Writes()).To(Equal([]string{"PUT apikeys/status", "DELETE secrets"}), "the delete is refused")
		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(2))
		Expect(f.accepts(old)).To(BeFalse())
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonAwaitingClaim))
	})
})

var _ = Describe("The claim annotation", func() {
	DescribeTable("claims nothing", func(ctx context.Context, change func(*v1alpha1.APIKey), value func(*fixture) string, says string) {
		f := newFixture(ctx)
		f.create(change)
		f.settle()
		key := f.value()
		f.claim(value(f))
		f.settle()
		f.expectHealthy()
		Expect(f.value()).To(Equal(key))
		Expect(f.key().Status.ClaimedAt).To(BeNil())
		Expect(condition(f.key(), v1alpha1.ConditionReady).Message).To(ContainSubstring(says))
	},
		Entry("with delivery Keep", func(*v1alpha1.APIKey) {}, func(f *fixture) string { return idOf(f.value()) }, keptDelivery),
		Entry("with the id of no key", once, func(*fixture) string { return "AAAAAAAAAAAA" }, otherClaim),
		Entry("with more than the id", once, func(f *fixture) string { return idOf(f.value()) + "x" }, otherClaim),
		Entry("with a long text", once, func(*fixture) string { return fmt.Sprintf("%0100000d", 0) }, otherClaim),
	)

	It("that is left or applied again does not claim the next delivery", func(ctx context.Context) {
		f := newFixture(ctx)
		old := f.deliver()
		f.rotate("now")
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
		Expect(f.key().Status.ClaimedAt).To(BeNil())
		Expect(f.key().Status.Keys[0].ClaimDeadline).NotTo(BeNil())
		Expect(condition(f.key(), v1alpha1.ConditionReady).Message).To(ContainSubstring("is ignored"))
		f.claim("")
		f.settle()
		Expect(condition(f.key(), v1alpha1.ConditionReady).Message).NotTo(ContainSubstring("is ignored"))
		f.claim(idOf(old))
		f.settle()
		f.expectHealthy()
		Expect(f.key().Status.ClaimedAt).To(BeNil())
	})

	It("that goes after the claim changes nothing", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver()
		f.claim("")
		f.settle()
		f.expectClaimed(value)
	})

	It("is acted on for a suspended key, which works once it is resumed", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		Expect(f.secret()).To(BeNil())
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseSuspended))
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = false })
		f.settle()
		f.expectClaimed(value)
	})

	It("is acted on while nothing may be minted", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		value := f.value()
		f.claim(idOf(value))
		f.rotate("now")
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		unguard(r)
		for range 3 {
			_, err := f.pass(r)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(f.secret()).To(BeNil())
		Expect(f.accepts(value)).To(BeTrue())
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonGuardrailsMissing))
		Expect(condition(f.key(), v1alpha1.ConditionActive)).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonClaimed)))
	})
})

var _ = Describe("A claimed key", func() {
	It("ignores a Secret of another owner at its name until the next rotation", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver()
		planted := f.foreign("Opaque")
		f.settle()
		Expect(f.accepts(value)).To(BeTrue())
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonClaimed))
		f.rotate("now")
		f.settle()
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonSecretConflict))
		Expect(condition(f.key(), v1alpha1.ConditionActive)).To(HaveField("Status", metav1.ConditionTrue))
		Expect(f.accepts(value)).To(BeTrue(), "until another key takes its place")
		Expect(f.secret().UID).To(Equal(planted.UID))
		Expect(admin.Delete(ctx, planted)).To(Succeed())
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(value)).To(BeFalse())
	})

	for name, content := range testkit.Sorted(map[string]func(value string) string{
		"another key": func(string) string {
			planted, _ := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
			return planted.Reveal()
		},
		"a copy of the key": func(value string) string { return value },
		"nothing":           func(string) string { return "" },
	}) {
		It("never accepts a Secret that is made at its name as its own, and deletes it: "+name, func(ctx context.Context) {
			f := newFixture(ctx)
			value := f.deliver()
			planted := content(value)
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: f.name.Namespace, Name: f.name.Name,
					OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(f.key(), v1alpha1.GroupVersion.WithKind("APIKey"))},
					Labels:          map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue},
					Annotations:     map[string]string{v1alpha1.SecretValidKeysAnnotation: keys.DigestOf(planted).String()},
				},
				Type: v1alpha1.SecretType,
			}
			if planted != "" {
				secret.Data = map[string][]byte{v1alpha1.SecretKeyDefault: []byte(planted)}
			}
			Expect(admin.Create(ctx, secret)).To(Succeed())
			f.settle()
			Expect(f.secret()).To(BeNil())
			Expect(f.accepts(value)).To(BeTrue())
			Expect(f.accepts(planted)).To(Equal(planted == value))
			Expect(f.key().Status.Keys).To(HaveLen(1), "nothing is minted")
			Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonClaimed))
		})
	}

	It("reports a copy that a finalizer keeps, and works", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		value, held := f.value(), f.secret()
		held.Finalizers = []string{"example.com/hold"}
		Expect(admin.Update(ctx, held)).To(Succeed())
		f.settle()
		f.claim(idOf(value))
		f.settle()
		Expect(f.accepts(value)).To(BeTrue())
		Expect(condition(f.key(), v1alpha1.ConditionActive)).To(HaveField("Status", metav1.ConditionTrue))
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(
			HaveField("Reason", v1alpha1.ReasonSecretTerminating), HaveField("Message", ContainSubstring("a copy is left"))))
		started := f.settleReconciler(f.checking(testkit.NewWire(testkit.Cut{})), testkit.NewWire(testkit.Cut{}))
		Expect(started.RequeueAfter).To(BeNumerically(">=", time.Second), "after a start the operator checks the status once and then waits")
		secret := f.secret()
		secret.Finalizers = nil
		Expect(admin.Update(ctx, secret)).To(Succeed())
		f.settle()
		f.expectClaimed(value)
	})

	It("is fenced and replaced after a crash loop, without an end of the old key before", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver()
		f.rotate("now")
		for range 2 * v1alpha1.MaxKeys {
			_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
			Expect(f.accepts(value)).To(BeTrue())
			Expect(len(f.key().Status.Keys)).To(BeNumerically("<=", v1alpha1.MaxKeys))
		}
		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(2))
		Expect(f.accepts(value)).To(BeFalse())
	})

	It("ends for good when it expires, is revoked or deleted", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "10h" })
		f.advance(10 * time.Hour)
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
		Expect(f.accepts(value)).To(BeFalse())

		f = newFixture(ctx)
		value = f.deliver()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonRevoked))
		Expect(f.accepts(value)).To(BeFalse())

		f = newFixture(ctx)
		value = f.deliver(func(k *v1alpha1.APIKey) { k.Finalizers = []string{"example.com/hold"} })
		Expect(admin.Delete(ctx, f.key())).To(Succeed())
		f.settle()
		f.expectEnded(v1alpha1.PhaseRevoked)
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonDeleting))
		Expect(f.accepts(value)).To(BeFalse())
	})
})
