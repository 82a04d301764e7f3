// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// expectNotClaimed checks that a key has ended because it was not claimed.
func (f *fixture) expectNotClaimed(value string) {
	GinkgoHelper()
	f.expectEnded(v1alpha1.PhaseRevoked)
	Expect(f.accepts(value)).To(BeFalse())
	Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonNotClaimed)))
	Expect(condition(f.key(), v1alpha1.ConditionStalled)).To(HaveField("Reason", v1alpha1.ReasonNotClaimed))
}

var _ = Describe("A claim deadline", func() {
	It("that passes revokes the key, with a check of the version, one delete and one status write", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once, func(k *v1alpha1.APIKey) { k.Spec.Secret.ClaimBefore = "10m" })
		Expect(f.settle().RequeueAfter).To(Equal(10 * time.Minute))
		value := f.value()
		f.advance(10*time.Minute - time.Second)
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(value)).To(BeTrue())
		f.advance(time.Second)
		Expect(f.accepts(value)).To(BeFalse(), "before the operator acts")
		wire := testkit.NewWire(testkit.Cut{})
		f.settleWith(wire)
		Expect(wire.Writes()).To(Equal([]string{"PUT apikeys/status", "DELETE secrets", "PUT apikeys/status"}))
		f.expectNotClaimed(value)
		Expect(f.key().Status.Keys[0].NotAfter.Time).To(BeTemporally("==", f.clock.Now()))
		Expect(f.events).To(Equal([]string{"Minted", "NotClaimed"}))
	})

	It("is caught up with after each interruption", func(ctx context.Context) {
		for write := 1; write <= 2; write++ {
			for _, after := range []bool{false, true} {
				f := newFixture(ctx)
				f.create(once)
				f.settle()
				value := f.value()
				f.advance(time.Hour)
				_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: write, After: after, Forever: true})))
				Expect(err).To(MatchError(testkit.ErrWire))
				f.settle()
				f.expectNotClaimed(value)
			}
		}
	})

	It("is not moved by spec, a claim that comes too late, a suspension, or a clock that steps back", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		value := f.value()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Secret.ClaimBefore, k.Spec.Suspend = "720h", true })
		f.settle()
		f.advance(time.Hour)
		f.claim(idOf(value))
		f.rotate("too late")
		f.settle()
		f.expectNotClaimed(value)
		f.advance(-2 * time.Hour)
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
		Expect(f.secret()).To(BeNil())
	})

	It("is not raised by a status that another writer has changed", func(ctx context.Context) {
		for _, later := range []*metav1.Time{nil, {Time: time.Now().Add(700 * time.Hour)}} {
			f := newFixture(ctx)
			f.create(once)
			r := f.checking(testkit.NewWire(testkit.Cut{}))
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
			value, deadline := f.value(), f.key().Status.Keys[0].ClaimDeadline
			f.editStatus(func(s *v1alpha1.APIKeyStatus) { s.Keys[0].ClaimDeadline = later })
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
			Expect(f.key().Status.Keys[0].ClaimDeadline).To(Equal(deadline))
			f.advance(time.Hour)
			f.settle()
			f.expectNotClaimed(value)
		}
	})

	It("starts anew with a rotation, which is a delivery of its own", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		f.advance(50 * time.Minute)
		f.rotate("now")
		f.settle()
		f.advance(50 * time.Minute)
		f.settle()
		f.expectHealthy()
		value := f.value()
		f.advance(10 * time.Minute)
		f.settle()
		f.expectNotClaimed(value)
	})

	It("ends the overlap of a key that was not claimed, and not that of a claimed one", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		old := f.value()
		f.rotate("now,overlap=10h")
		f.settle()
		Expect(f.secret().Data).To(HaveKeyWithValue("previous-api-key", []byte(old)))
		f.claim(idOf(f.value()))
		f.settle()
		Expect(f.accepts(old)).To(BeTrue())
		f.advance(time.Hour)
		Expect(f.accepts(old)).To(BeFalse())

		f = newFixture(ctx)
		old = f.deliver()
		f.rotate("now,overlap=10h")
		f.settle()
		Expect(f.secret().Data).NotTo(HaveKey("previous-api-key"), "it is nowhere in the cluster")
		value := f.value()
		f.claim(idOf(value))
		f.settle()
		f.advance(9 * time.Hour)
		f.settle()
		Expect(f.accepts(old)).To(BeTrue())
		Expect(f.accepts(value)).To(BeTrue())
		f.advance(time.Hour)
		f.settle()
		f.expectClaimed(value)
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("that passes while a rotation is interrupted leaves the claimed key, and another is minted", func(ctx context.Context) {
		for write := 2; write <= 3; write++ {
			f := newFixture(ctx)
			old := f.deliver()
			f.rotate("now,overlap=10h")
			_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: write, Forever: true})))
			Expect(err).To(MatchError(testkit.ErrWire))
			f.advance(2 * time.Hour)
			f.settle()
			f.expectHealthy()
			Expect(f.accepts(old)).To(BeTrue())
			Expect(f.accepts(f.value())).To(BeTrue())
			Expect(f.handedOut()).To(HaveLen(write), "a key whose deadline passed before it was promoted is replaced")
		}
	})

	It("after an expiry has no meaning", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once, func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "30m" })
		f.settle()
		f.advance(2 * time.Hour)
		f.settle()
		f.expectEnded(v1alpha1.PhaseExpired)
	})
})

var _ = Describe("The status of a claimed key that another writer has changed", func() {
	place := func(f *fixture) string {
		return f.forge(v1alpha1.KeyActive, func(s *v1alpha1.APIKeyStatus) { s.Keys = s.Keys[1:] })
	}
	for name, forge := range testkit.Sorted(map[string]func(*fixture) string{
		"an Active record beside the real one":  func(f *fixture) string { return f.forge(v1alpha1.KeyActive) },
		"an Active record in place of the real": place,
		"a Retiring record":                     func(f *fixture) string { return f.forge(v1alpha1.KeyRetiring) },
		"a Pending record":                      func(f *fixture) string { return f.forge(v1alpha1.KeyPending) },
	}) {
		It("does not stay in force while the operator runs: "+name, func(ctx context.Context) {
			f := newFixture(ctx)
			f.create(once)
			r := f.checking(testkit.NewWire(testkit.Cut{}))
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
			value := f.value()
			f.claim(idOf(value))
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
			f.expectClaimed(value)
			chosen := forge(f)
			f.events = nil
			for range 4 {
				_, err := f.pass(r)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(f.accepts(chosen)).To(BeFalse())
			Expect(f.events).To(ContainElement("StatusModified"))
			if name == "an Active record beside the real one" || name == "a Retiring record" {
				f.expectClaimed(value)
			} else {
				f.settle()
				f.expectHealthy()
			}
		})
	}

	It("does not stay in force after a start of the operator if it has two Active records, of which one is forged", func(ctx context.Context) {
		f := newFixture(ctx)
		value := f.deliver()
		chosen := f.forge(v1alpha1.KeyActive)
		f.settleReconciler(f.checking(testkit.NewWire(testkit.Cut{})), testkit.NewWire(testkit.Cut{}))
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(chosen)).To(BeFalse())
		Expect(f.accepts(value)).To(BeFalse(), "which of the two is forged, no Secret says")
	})

	for _, state := range []v1alpha1.KeyState{v1alpha1.KeyActive, v1alpha1.KeyRetiring, v1alpha1.KeyPending} {
		It("does not stay in force after a start of the operator while a copy is left: a record that is "+string(state), func(ctx context.Context) {
			f := newFixture(ctx)
			f.create(once)
			f.settle()
			value := f.value()
			f.claim(idOf(value))
			_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
			Expect(err).To(MatchError(testkit.ErrWire), "it dies before it deletes the Secret")
			chosen := f.forge(state)
			f.settleReconciler(f.checking(testkit.NewWire(testkit.Cut{})), testkit.NewWire(testkit.Cut{}))
			if state == v1alpha1.KeyPending { // an announced key asks for a rotation, with which it ends
				f.settle()
				f.expectHealthy()
			} else {
				f.expectClaimed(value)
			}
			Expect(f.accepts(chosen)).To(BeFalse())
		})
	}

	It("does not stay in force because a clock that was ahead would have ended it", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		chosen := f.forge(v1alpha1.KeyRetiring)
		ahead := f.checking(testkit.NewWire(testkit.Cut{Write: 1, Forever: true}))
		ahead.Clock = testclock.NewFakePassiveClock(f.clock.Now().Add(2 * v1alpha1.ClaimBeforeDefault))
		_, err := f.pass(ahead)
		Expect(err).To(MatchError(testkit.ErrWire), "neither the end nor its report is written")
		right := f.checking(testkit.NewWire(testkit.Cut{}))
		right.Ledger = ahead.Ledger
		f.settleReconciler(right, testkit.NewWire(testkit.Cut{}))
		Expect(f.accepts(chosen)).To(BeFalse())
		Expect(f.accepts(f.value())).To(BeTrue())
	})

	It("does not stay in force if it claims what the Secret does not hold", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		chosen := f.forge(v1alpha1.KeyActive, func(s *v1alpha1.APIKeyStatus) {
			s.Keys, s.ClaimedAt = s.Keys[1:], &metav1.Time{Time: f.clock.Now()}
		})
		f.settleReconciler(f.checking(testkit.NewWire(testkit.Cut{})), testkit.NewWire(testkit.Cut{}))
		Expect(f.accepts(chosen)).To(BeFalse())
		f.settle()
		f.expectHealthy()
	})

	It("does not stay in force if it was restored from a backup", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		r := f.checking(testkit.NewWire(testkit.Cut{}))
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		old := f.value()
		f.claim(idOf(old))
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		backup := f.key().Status
		f.rotate("now")
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		f.claim(idOf(f.value()))
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		f.editStatus(func(s *v1alpha1.APIKeyStatus) { *s = *backup.DeepCopy() })
		f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		f.settle()
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
	})
})

var _ = Describe("A cache from before a claim", func() {
	It("does no harm, whatever it shows", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		value := f.value()
		past := []*stale{f.snapshot()}
		f.claim(idOf(value))
		past = append(past, f.snapshot())
		for write := 1; write <= 3; write++ {
			_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: write, After: true, Forever: true})))
			past = append(past, f.snapshot())
		}
		f.settle()
		f.expectClaimed(value)
		version := f.key().ResourceVersion
		for _, later := range []time.Duration{0, 2 * time.Hour} { // the second is past the deadline that the cache shows
			f.advance(later)
			for _, cache := range past {
				r := f.reconciler(testkit.NewWire(testkit.Cut{}))
				cache.Client = r.APIKeys
				r.APIKeys, r.Metadata = cache, cache
				_, err := f.pass(r)
				Expect(err).NotTo(HaveOccurred())
				Expect(f.key().ResourceVersion).To(Equal(version), "nothing was written")
			}
		}
		f.expectClaimed(value)
	})
})
