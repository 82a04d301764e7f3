// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// oneDay is the last warning by default.
const oneDay = 24 * time.Hour

// mintForAYear creates an APIKey that is valid for a year, and mints its key.
func (f *fixture) mintForAYear() {
	GinkgoHelper()
	f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "8760h" })
	f.settle()
	Expect(f.events).To(Equal([]string{"Minted"}))
}

// before moves the clock to a time before the expiry that the status records.
func (f *fixture) before(left time.Duration) {
	GinkgoHelper()
	f.clock.SetTime(f.key().Status.ExpiresAt.Add(-left))
}

// expectWarnings checks how many warnings were emitted, and whether the condition is there.
func (f *fixture) expectWarnings(n int, soon bool) {
	GinkgoHelper()
	found := 0
	for _, reason := range f.events {
		if reason == v1alpha1.ReasonExpiringSoon {
			found++
		}
	}
	Expect(found).To(Equal(n), "warnings among %v", f.notes)
	want := BeNil()
	if soon {
		want = HaveField("Status", metav1.ConditionTrue)
	}
	Expect(condition(f.key(), v1alpha1.ConditionExpiringSoon)).To(want)
}

var _ = Describe("A key that expires soon", func() {
	It("is warned of at 30, 7 and 1 days, each with one write, by operators that wake in time", func(ctx context.Context) {
		f := newFixture(ctx)
		f.mintForAYear()
		for i, left := range []time.Duration{30 * oneDay, 7 * oneDay, oneDay} {
			idle := testkit.NewWire(testkit.Cut{})
			result, err := f.pass(f.reconciler(idle))
			Expect(err).NotTo(HaveOccurred())
			Expect(result.RequeueAfter).To(Equal(f.key().Status.ExpiresAt.Add(-left).Sub(f.clock.Now())), "the wait for the warning")

			f.before(left + time.Second)
			idle.Reset()
			f.settleWith(idle)
			Expect(idle.Writes()).To(BeEmpty(), "a second too early")

			f.before(left)
			wire := testkit.NewWire(testkit.Cut{})
			r := f.reconciler(wire)
			_, err = f.pass(r)
			Expect(err).NotTo(HaveOccurred())
			Expect(wire.Calls()).To(Equal([]string{"GET apikeys", "GET secrets", "PUT apikeys/status"}), "caches answer the GETs in production")
			f.settleWith(testkit.NewWire(testkit.Cut{})) // another operator
			_, err = f.pass(r)
			Expect(err).NotTo(HaveOccurred())
			f.expectWarnings(i+1, true)
		}
		Expect(f.notes[len(f.notes)-1]).To(Equal("Warning ExpiringSoon: The key expires at " +
			f.key().Status.ExpiresAt.UTC().Format(time.RFC3339) + ", within 1 day, and cannot be renewed afterwards"))
		f.expectHealthy()
		f.before(0)
		f.settle()
		Expect(f.events).To(Equal([]string{"Minted", "ExpiringSoon", "ExpiringSoon", "ExpiringSoon", "Expired"}))
		Expect(condition(f.key(), v1alpha1.ConditionExpiringSoon)).To(BeNil())
		Expect(f.key().Status.WarnedBefore).To(BeEmpty())
	})

	It("is not warned of if it was created for a day", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "24h" })
		f.settle()
		f.advance(23 * time.Hour)
		f.settle()
		f.advance(time.Hour)
		f.settle()
		Expect(f.events).To(Equal([]string{"Minted", "Expired"}))
	})

	It("is warned of once where the answer to the write is lost: the event is, too", func(ctx context.Context) {
		f := newFixture(ctx)
		f.mintForAYear()
		f.before(oneDay)
		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 1, After: true})))
		Expect(err).To(HaveOccurred())
		f.settle()
		f.expectWarnings(0, true)
		Expect(f.key().Status.WarnedBefore).To(Equal(v1alpha1.Duration("24h")))
	})

	It("is warned of once where the write does not arrive", func(ctx context.Context) {
		f := newFixture(ctx)
		f.mintForAYear()
		f.before(oneDay)
		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 1})))
		Expect(err).To(HaveOccurred())
		f.expectWarnings(0, false)
		f.settle()
		f.expectWarnings(1, true)
	})

	It("is warned of once by two operators at the same time", func(ctx context.Context) {
		f := newFixture(ctx)
		f.mintForAYear()
		f.before(oneDay)
		other := f.reconciler(testkit.NewWire(testkit.Cut{}))
		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 1, Meanwhile: func() {
			_, err := f.pass(other)
			Expect(err).NotTo(HaveOccurred())
		}})))
		Expect(err).NotTo(HaveOccurred(), "a conflict is no error")
		f.settle()
		f.expectWarnings(1, true)
	})

	It("is warned of again after its expiry has moved out, and once after it has moved closer", func(ctx context.Context) {
		f := newFixture(ctx)
		f.mintForAYear()
		f.before(7 * oneDay)
		f.settle()
		f.expectWarnings(1, true)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "17520h" })
		f.settle()
		f.expectWarnings(1, false)
		Expect(f.key().Status.WarnedBefore).To(BeEmpty())
		f.before(7 * oneDay)
		f.settle()
		f.expectWarnings(2, true)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "17400h" }) // five days earlier: two days are left
		f.settle()
		f.expectWarnings(2, true)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "17353h" }) // one hour is left
		f.settle()
		f.expectWarnings(3, true)
	})

	It("is warned of while a rotation runs, is suspended and resumed, and no more once it is revoked", func(ctx context.Context) {
		f := newFixture(ctx)
		f.mintForAYear()
		f.before(30 * oneDay)
		f.rotate("now,overlap=10m")
		f.settle()
		f.expectHealthy()
		f.expectWarnings(1, true)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		f.settle()
		f.before(7 * oneDay)
		f.settle()
		f.expectWarnings(2, true)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = false })
		f.settle()
		f.expectWarnings(2, true)
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
		f.before(oneDay)
		f.settle()
		f.expectWarnings(2, false)
	})

	It("is warned of as the APIKeyPolicies of its namespace say", func(ctx context.Context) {
		f := newFixture(ctx)
		f.policy("warns", "expiry: {warnBefore: [2h]}")
		f.policy("warns-too", "expiry: {warnBefore: [1h, 48h]}")
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "36h" })
		f.settle()
		for i, left := range []time.Duration{2 * time.Hour, time.Hour} {
			f.before(left + time.Second)
			f.settle()
			f.expectWarnings(i, i > 0)
			f.before(left)
			f.settle()
			f.expectWarnings(i+1, true)
		}
	})
})

var _ = Describe("A running operator", Serial, func() {
	It("warns at the time that a policy says, once, also if it starts again", func(ctx context.Context) {
		f := newFixture(ctx)
		f.policy("warns", "expiry: {warnBefore: [1m]}")
		warnings := func() (found []string) {
			events := &eventsv1.EventList{}
			Expect(admin.List(ctx, events, client.InNamespace(f.name.Namespace))).To(Succeed())
			for i := range events.Items {
				if e := &events.Items[i]; e.Reason == v1alpha1.ReasonExpiringSoon {
					found = append(found, fmt.Sprint(e.Type, " of ", e.Regarding.Name, ", repeated ", e.Series != nil))
				}
			}

			return found
		}
		want := Equal([]string{"Warning of main-website, repeated false"})
		o := startOperator(f)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1000000s" })
		f.eventuallyHealthy()
		Expect(condition(f.key(), v1alpha1.ConditionExpiringSoon)).To(BeNil())
		f.edit(func(k *v1alpha1.APIKey) { // in a few seconds a minute is left
			k.Spec.ValidFor = v1alpha1.Duration(fmt.Sprintf("%.0fs", time.Since(k.CreationTimestamp.Time).Seconds()+65))
		})
		Eventually(warnings).WithTimeout(patience).Should(want)
		Expect(time.Until(f.key().Status.ExpiresAt.Time)).To(BeNumerically("<=", time.Minute))
		Expect(condition(f.key(), v1alpha1.ConditionExpiringSoon)).To(HaveField("Status", metav1.ConditionTrue))

		afterPasses(0, func() {})
		o.stop()
		afterPasses(1, func() { o = startOperator(f) })
		Expect(withoutLists(o.wire.Calls())).To(Equal([]string{"GET secrets"}), "to check the status")
		o.stop() // it sends what it has to send
		Expect(warnings()).To(want)
	})
})
