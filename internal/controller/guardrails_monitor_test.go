// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// guardrailNames are all of them.
var guardrailNames = []string{"grants", "limits", "operator", "plaintext", "secrets", "size", "status"}

// expression is a change of one validation.
func expression(i int, text string) func(*admissionv1.ValidatingAdmissionPolicy) {
	return func(p *admissionv1.ValidatingAdmissionPolicy) { p.Spec.Validations[i].Expression = text }
}

var _ = Describe("An operator that requires guardrails", Ordered, Serial, func() {
	s := installed()

	It("asks nothing more for a key than without them, and writes nothing when it starts again", func(ctx context.Context) {
		const minted = 50
		fixtures := newFixtures(ctx, minted)
		bill := &tally{calls: map[string]int{}}
		paying := &site{operator: bill.attach(s.operator)}
		o := paying.start(fixtures[0])
		for _, f := range fixtures {
			f.create()
		}
		for _, f := range fixtures {
			f.eventuallyHealthy()
		}
		afterPasses(0, func() {})
		Expect(bill.of("apikeys", "secrets")).To(Equal(map[string]int{
			"GET secrets": minted, "PUT apikeys/status": 2 * minted, "POST secrets": minted, "LIST apikeys": 1, "LIST secrets": 1,
		}))
		others := bill.of("validatingadmissionpolicies", "validatingadmissionpolicybindings", "apikeypolicies", "namespaces", "selfsubjectreviews")
		Expect(others).To(Equal(map[string]int{
			"LIST validatingadmissionpolicies": 1, "LIST validatingadmissionpolicybindings": 1, "LIST apikeypolicies": 1, "LIST namespaces": 1,
			"POST selfsubjectreviews": 1,
		}), "once, whatever the number of keys")
		o.stop()

		afterPasses(minted, func() { o = s.start(fixtures[0]) })
		Eventually(func() []string { return withoutLists(o.wire.Calls()) }).WithTimeout(patience).
			Should(Equal(slices.Repeat([]string{"GET secrets"}, minted)), "each Secret is read once, to check the status")
	})

	It("mints nothing while one is gone or changed, says which, and goes on when it is back", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 4*len(guardrailNames))
		inForce := s.start(fixtures[0]).inForce
		Eventually(inForce).WithTimeout(patience).Should(HaveValue(Equal(1.0)), "also before the first key is due")
		for _, name := range guardrailNames {
			for how, remove := range map[string]func() (back func(context.Context)){
				"policy deleted":  func() func(context.Context) { return without(ctx, s.policy(ctx, name)) },
				"binding deleted": func() func(context.Context) { return without(ctx, s.binding(ctx, name)) },
				"policy changed":  func() func(context.Context) { return altered(ctx, s.policy(ctx, name), expression(0, "true")) },
				"binding changed": func() func(context.Context) {
					return altered(ctx, s.binding(ctx, name), func(b *admissionv1.ValidatingAdmissionPolicyBinding) {
						b.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Audit}
					})
				},
			} {
				By(name + ": " + how)
				f := fixtures[0]
				fixtures = fixtures[1:]
				back := remove()
				f.createSoon()
				f.heldBack(v1alpha1.ReasonGuardrailsMissing, name)
				Expect(inForce()).To(HaveValue(Equal(0.0)))
				back(ctx)
				f.eventuallyHealthy()
				Expect(inForce()).To(HaveValue(Equal(1.0)))
				Expect(condition(f.key(), v1alpha1.ConditionStalled)).To(BeNil())
			}
		}
	})

	It("says what is missing as it changes", func(ctx context.Context) {
		f := newFixture(ctx)
		s.start(f)
		first := without(ctx, s.binding(ctx, "limits"))
		f.createSoon()
		f.heldBack(v1alpha1.ReasonGuardrailsMissing, "limits")
		second := without(ctx, s.binding(ctx, "plaintext"))
		f.heldBack(v1alpha1.ReasonGuardrailsMissing, "limits", "plaintext")
		first(ctx)
		Eventually(func() string { return condition(f.key(), v1alpha1.ConditionReady).Message }).WithTimeout(patience).
			ShouldNot(ContainSubstring("limits"))
		f.heldBack(v1alpha1.ReasonGuardrailsMissing, "plaintext")
		second(ctx)
		f.eventuallyHealthy()
	})

	It("holds back a rotation, and the key works on", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		value := f.value()
		back := without(ctx, s.policy(ctx, "grants"))
		f.rotate("now")
		f.events = nil
		s.settle(f)
		Expect(f.events).To(Equal([]string{v1alpha1.ReasonGuardrailsMissing}), "told once")
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonGuardrailsMissing))
		Expect(condition(f.key(), v1alpha1.ConditionActive)).To(HaveField("Reason", v1alpha1.ReasonMinted))
		Expect(f.value()).To(Equal(value))
		Expect(f.accepts(value)).To(BeTrue())

		By("revoking it, which needs no guardrails")
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		s.settle(f)
		Expect(f.secret()).To(BeNil())
		back(ctx)
	})

	It("stops a key whose Secret is deleted, also when it cannot be replaced", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		value := f.value()
		without(ctx, s.policy(ctx, "grants"))
		Expect(admin.Delete(ctx, f.secret())).To(Succeed())
		s.settle(f)
		f.heldBack(v1alpha1.ReasonGuardrailsMissing)
		Expect(f.accepts(value)).To(BeFalse())
	})

	It("takes an announcement back when a guardrail goes before the Secret is written", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		var r *controller.Reconciler
		var back func(context.Context)
		wire := newMeanwhile(1, func() {
			back = without(ctx, s.policy(ctx, "grants"))
			r.Guardrails.Handler().Delete(ctx, ctrlevent.DeleteEvent{}, nil) // as the watch would
		})
		r = s.reconciler(f, wire)
		_, err := f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		f.heldBack(v1alpha1.ReasonGuardrailsMissing, "grants")
		Expect(wire.Writes()).To(Equal([]string{"PUT apikeys/status", "PUT apikeys/status"}))
		back(ctx)
		s.settle(f)
		f.expectHealthy()
	})

	It("looks again when one has come back before it could report that it was gone", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		back := without(ctx, s.policy(ctx, "grants"))
		var r *controller.Reconciler
		wire := newMeanwhile(1, func() {
			back(ctx)
			r.Guardrails.Handler().Create(ctx, ctrlevent.CreateEvent{}, nil) // no APIKey waits yet, so none is queued
		})
		r = s.reconciler(f, wire)
		result, err := f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		f.heldBack(v1alpha1.ReasonGuardrailsMissing, "grants")
		Expect(result.RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<", time.Second)))
		_, err = f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		f.expectHealthy()
	})

	It("mints no key for an APIKey that was made after a guardrail was deleted", func(ctx context.Context) {
		f := newFixture(ctx)
		s.start(f)
		for round, name := range guardrailNames {
			By("deleting " + name + " while keys are being made")
			makers := f.makeKeys(fmt.Sprintf("round-%d", round))
			makers.await(20)
			back := without(ctx, s.policy(ctx, name))
			makers.mark()
			makers.await(20)
			makers.stop()

			after := makers.afterMark()
			Expect(len(after)).To(BeNumerically(">=", 10))
			for _, g := range after {
				g.heldBack(v1alpha1.ReasonGuardrailsMissing, name)
			}
			back(ctx)
			for _, g := range makers.all() {
				g.eventuallyHealthy()
			}
		}
	})

	It("does not take a cache that is not filled for guardrails that are missing", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		hold := &held{resource: "validatingadmissionpolicybindings", release: make(chan struct{})}
		slow := &site{operator: hold.attach(s.operator)}
		slow.start(f)
		Eventually(hold.waiting.Load).WithTimeout(patience).Should(BeTrue())
		// A second suffices: every other cache is filled, so an operator that did not wait would write the status within milliseconds.
		Consistently(func() int64 { return f.key().Status.ObservedGeneration }).WithTimeout(time.Second).Should(BeEquivalentTo(-1), "nothing is reported")
		close(hold.release)
		f.eventuallyHealthy()
		events := eventsAbout(f)
		Expect(events).NotTo(ContainElement(v1alpha1.ReasonGuardrailsMissing))
	})

	It("mints nothing while it does not know who it is, and does all the rest", func(ctx context.Context) {
		f, g := newFixture(ctx), newFixture(ctx)
		f.create()
		g.create()
		s.settle(g)
		noAnswer := errors.New("no answer")
		lost := func(f *fixture) *controller.Reconciler {
			r := s.reconciler(f, testkit.NewWire(testkit.Cut{}))
			r.Guardrails = controller.NewGuardrailMonitor(r.Policies, func(context.Context) (string, error) { return "", noAnswer }, ctrl.Log)

			return r
		}
		_, err := f.pass(lost(f))
		Expect(err).To(MatchError(noAnswer), "the next attempt asks again")
		Expect(f.key().Status.Keys).To(BeEmpty())
		g.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		_, err = g.pass(lost(g))
		Expect(err).NotTo(HaveOccurred())
		Expect(g.secret()).To(BeNil())
		s.settle(f)
		f.expectHealthy()
	})

	It("says so when it does not run as the service account that the guardrails name", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		r := s.reconciler(f, testkit.NewWire(testkit.Cut{}))
		const other = "system:serviceaccount:elsewhere:apikey-operator-controller-manager"
		r.Guardrails = controller.NewGuardrailMonitor(r.Policies, func(context.Context) (string, error) { return other, nil }, ctrl.Log)
		_, err := f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		f.heldBack(v1alpha1.ReasonGuardrailsMissing, operatorUser, other)
	})

	It("mints without them when it is told to", func(ctx context.Context) {
		f := newFixture(ctx)
		for _, name := range guardrailNames {
			without(ctx, s.policy(ctx, name))
		}
		o := &operator{wire: testkit.NewWire(testkit.Cut{})}
		o.start(s.operator, f)
		f.createSoon()
		f.eventuallyHealthy()
	})
})

// createSoon creates the APIKey as soon as the API server lets that happen: a guardrail that was just put back
// or taken away may refuse everything for a moment.
func (f *fixture) createSoon() {
	GinkgoHelper()
	Eventually(func() error {
		return admin.Create(f.ctx, f.minimal())
	}).WithTimeout(patience).Should(Succeed())
}

// eventsAbout are the reasons of the events about the APIKey.
func eventsAbout(f *fixture) []string {
	GinkgoHelper()
	list := &corev1.EventList{}
	Expect(admin.List(f.ctx, list, client.InNamespace(f.name.Namespace))).To(Succeed())
	var reasons []string
	for i := range list.Items {
		if list.Items[i].InvolvedObject.Name == f.name.Name {
			reasons = append(reasons, list.Items[i].Reason)
		}
	}

	return reasons
}
