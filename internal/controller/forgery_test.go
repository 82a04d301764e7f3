// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// forge puts a record for a key of the attacker's choosing into the status, and returns that key.
func (f *fixture) forge(state v1alpha1.KeyState, changes ...func(*v1alpha1.APIKeyStatus)) string {
	GinkgoHelper()
	chosen, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	Expect(err).NotTo(HaveOccurred())
	record := v1alpha1.KeyRecord{
		ID: chosen.Digest().ID(), Digest: chosen.Digest().String(), State: state, CreatedAt: metav1.Now(),
	}
	if state == v1alpha1.KeyRetiring {
		record.NotAfter = &metav1.Time{Time: time.Now().Add(700 * time.Hour)}
	}
	f.editStatus(func(s *v1alpha1.APIKeyStatus) {
		s.Keys = append(s.Keys, record)
		for _, change := range changes {
			change(s)
		}
	})

	return chosen.Reveal()
}

// editStatus writes a status as another writer than the operator.
func (f *fixture) editStatus(change func(*v1alpha1.APIKeyStatus)) {
	GinkgoHelper()
	Eventually(func() error {
		key := f.key()
		change(&key.Status)

		return admin.Status().Update(f.ctx, key)
	}).WithTimeout(patience).Should(Succeed())
}

// checking is a reconciler that knows what it has written itself.
func (f *fixture) checking(wire *testkit.Wire) *controller.Reconciler {
	GinkgoHelper()
	r := f.reconciler(wire)
	r.Ledger = controller.NewLedger()

	return r
}

// forgeries returns changes of a status that make a key of the attacker's choosing valid, by name.
func forgeries() map[string]func(*fixture) string {
	without := func(state v1alpha1.KeyState) func(*v1alpha1.APIKeyStatus) {
		return func(s *v1alpha1.APIKeyStatus) {
			for i := range s.Keys {
				if s.Keys[i].State == state {
					s.Keys = append(s.Keys[:i], s.Keys[i+1:]...)

					return
				}
			}
		}
	}

	return map[string]func(*fixture) string{
		"an Active record beside the real one":  func(f *fixture) string { return f.forge(v1alpha1.KeyActive) },
		"an Active record in place of the real": func(f *fixture) string { return f.forge(v1alpha1.KeyActive, without(v1alpha1.KeyActive)) },
		"a Retiring record":                     func(f *fixture) string { return f.forge(v1alpha1.KeyRetiring) },
		"a Pending record":                      func(f *fixture) string { return f.forge(v1alpha1.KeyPending) },
		"a Retiring record that ends in 2999": func(f *fixture) string {
			return f.forge(v1alpha1.KeyRetiring, func(s *v1alpha1.APIKeyStatus) {
				s.Keys[len(s.Keys)-1].NotAfter = &metav1.Time{Time: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}
			})
		},
		"an Active record, and no Secret": func(f *fixture) string {
			return f.forge(v1alpha1.KeyActive, func(s *v1alpha1.APIKeyStatus) { s.SecretRef = nil })
		},
		"an Active record, and a Secret that the watch never shows": func(f *fixture) string {
			return f.forge(v1alpha1.KeyActive, func(s *v1alpha1.APIKeyStatus) {
				s.SecretRef.ResourceVersion = "9000000000000000000"
				s.LastRotation.At = metav1.Time{Time: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}
			})
		},
	}
}

var _ = Describe("A status that another writer has changed", func() {
	for name, forge := range testkit.Sorted(forgeries()) {
		It("does not stay in force: "+name, func(ctx context.Context) {
			f := newFixture(ctx)
			f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "1h"} })
			r := f.checking(testkit.NewWire(testkit.Cut{}))
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
			old := f.value()
			chosen := forge(f)
			f.events = nil
			for range 4 {
				_, err := f.pass(r)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(f.accepts(chosen)).To(BeFalse())
			Expect(f.events).To(ContainElement("StatusModified"))
			f.settle()
			f.expectHealthy()
			if name == "an Active record beside the real one" || name == "a Retiring record" {
				Expect(f.value()).To(Equal(old), "nothing is minted because of it")
			}
		})

		It("does not stay in force after a start of the operator: "+name, func(ctx context.Context) {
			f := newFixture(ctx)
			f.create()
			f.settle()
			chosen := forge(f)
			r := f.checking(testkit.NewWire(testkit.Cut{}))
			for range 4 {
				_, err := f.pass(r)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(f.accepts(chosen)).To(BeFalse())
			f.settle()
			f.expectHealthy()
		})

		It("does not stay in force while nothing may be minted, and says that the key is refused: "+name, func(ctx context.Context) {
			f := newFixture(ctx)
			f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "1h"} })
			r := f.checking(testkit.NewWire(testkit.Cut{}))
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
			handedOut := f.value()
			chosen := forge(f)
			unguard(r)
			for range 6 {
				_, err := f.pass(r)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(f.accepts(chosen)).To(BeFalse())
			active := condition(f.key(), v1alpha1.ConditionActive).Status == metav1.ConditionTrue
			Expect(active).To(Equal(f.accepts(handedOut)), "Active says whether the key in the Secret is accepted")
		})
	}

	It("is replaced when it was restored from a backup", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		r := f.checking(testkit.NewWire(testkit.Cut{}))
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		backup, old := f.key().Status, f.value()
		f.rotate("now")
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		f.editStatus(func(s *v1alpha1.APIKeyStatus) { *s = *backup.DeepCopy() })
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("cannot extend the overlap of a key", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "10m"} })
		r := f.checking(testkit.NewWire(testkit.Cut{}))
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		old := f.value()
		f.rotate("now")
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		Expect(f.accepts(old)).To(BeTrue())
		f.editStatus(func(s *v1alpha1.APIKeyStatus) {
			s.Keys[0].NotAfter = &metav1.Time{Time: f.clock.Now().Add(600 * time.Hour)}
		})
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		Expect(f.accepts(old)).To(BeTrue(), "for as long as it was given")
		f.advance(11 * time.Minute)
		Expect(f.accepts(old)).To(BeFalse())
	})
})

// unguard takes the guardrails from an operator.
func unguard(r *controller.Reconciler) {
	r.Guardrails = controller.NewGuardrailMonitor(r.APIKeys, func(context.Context) (string, error) { return "nobody", nil }, ctrlLog())
}

var _ = Describe("A running operator, and a status that another writer changes", Serial, func() {
	It("drops forged records within seconds, without a look at other keys", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 5)
		f := fixtures[0]
		o := startOperator(f)
		for _, each := range fixtures {
			each.create()
		}
		for _, each := range fixtures {
			each.eventuallyHealthy()
		}
		for _, forge := range forgeries() {
			chosen := forge(f)
			Eventually(func() bool { return f.accepts(chosen) }).WithTimeout(patience).Should(BeFalse())
			f.eventuallyHealthy()
		}
		Expect(o.wire.Writes()).NotTo(BeEmpty())
	})

	It("does not let the copy of a record keep the real owner's key disputed", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		owner, thief := fixtures[0], fixtures[1]
		startOperator(owner)
		owner.create()
		thief.create()
		owner.eventuallyHealthy()
		thief.eventuallyHealthy()
		value := owner.value()
		thief.editStatus(func(s *v1alpha1.APIKeyStatus) { s.Keys = append(s.Keys, owner.key().Status.Keys[0]) })
		Eventually(func() bool { return thief.accepts(value) }).WithTimeout(patience).Should(BeFalse())
		Expect(owner.accepts(value)).To(BeTrue())
		Expect(owner.value()).To(Equal(value))
	})

	It("checks each Secret once after a start, by one read each, and writes nothing", func(ctx context.Context) {
		const settled = 10
		fixtures := newFixtures(ctx, settled)
		first := startOperator(fixtures[0])
		for _, f := range fixtures {
			f.create()
		}
		for _, f := range fixtures {
			f.eventuallyHealthy()
		}
		first.stop()
		o := startOperator(fixtures[0])
		Eventually(func() int { return countOf(o.wire.Calls(), "GET secrets") }).WithTimeout(patience).Should(Equal(settled))
		afterPasses(0, func() {})
		Expect(withoutLists(o.wire.Calls())).To(HaveLen(settled), fmt.Sprint(o.wire.Calls()))
	})
})
