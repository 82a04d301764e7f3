// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func withRotation(every, overlap v1alpha1.Duration) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: every, Overlap: overlap} }
}

// expectUntouched checks that nothing is written and the key stays.
func (f *fixture) expectUntouched(value string) {
	GinkgoHelper()
	wire := testkit.NewWire(testkit.Cut{})
	f.settleWith(wire)
	Expect(wire.Writes()).To(BeEmpty())
	Expect(f.value()).To(Equal(value))
}

var _ = Describe("The rotate annotation", func() {
	It("is recorded and not acted on when the object comes with it", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Annotations = map[string]string{v1alpha1.RotateAnnotation: "2026-11-21"} })
		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(1))
		Expect(f.key().Status.LastRotation).To(And(
			HaveField("Trigger", v1alpha1.TriggerCreated), HaveField("Value", "2026-11-21")))
	})

	It("rotates once for each new value and is never changed", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		first := f.value()
		f.rotate("a")
		f.settle()
		f.expectHealthy()
		second := f.value()
		Expect(second).NotTo(Equal(first))
		Expect(f.accepts(first)).To(BeFalse(), "without overlap the old key stops at once")
		Expect(f.key().Annotations).To(HaveKeyWithValue(v1alpha1.RotateAnnotation, "a"))

		By("setting the same value again")
		f.rotate("a")
		f.expectUntouched(second)
		By("removing it")
		f.edit(func(k *v1alpha1.APIKey) { delete(k.Annotations, v1alpha1.RotateAnnotation) })
		f.expectUntouched(second)
		By("putting it back")
		f.rotate("a")
		f.expectUntouched(second)
		Expect(f.events).To(Equal([]string{"Minted", "Rotated"}))
	})

	It("is remembered through a rotation that something else causes while it is not there", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		f.rotate("a")
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { delete(k.Annotations, v1alpha1.RotateAnnotation) })
		Expect(admin.Delete(ctx, f.secret())).To(Succeed())
		f.settle()
		value := f.value()
		f.rotate("a")
		f.expectUntouched(value)
	})

	It("ends at the last of many values with one more key for each that was observed", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		observed := 0
		for i := range 20 {
			f.rotate(strings.Repeat("x", i+1))
			if i%5 == 4 {
				_, err := f.pass(r)
				Expect(err).NotTo(HaveOccurred())
				observed++
			}
		}
		f.settle()
		f.expectHealthy()
		Expect(f.key().Status.LastRotation.Value).To(Equal(strings.Repeat("x", 20)))
		Expect(f.handedOut()).To(HaveLen(1 + observed))
	})

	It("rotates a suspended key, which stays suspended", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		f.settle()
		leaked := f.value()
		f.rotate("leaked")
		f.settle()
		Expect(f.value()).NotTo(Equal(leaked))
		Expect(f.accepts(leaked)).To(BeFalse())
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseSuspended))
		Expect(condition(f.key(), v1alpha1.ConditionActive).Status).To(Equal(metav1.ConditionFalse))
	})

	DescribeTable("is ignored once the key has ended, and the condition says so", func(ctx context.Context, end func(*fixture), phase v1alpha1.Phase) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		end(f)
		f.settle()
		f.rotate("too late")
		f.settle()
		Expect(f.key().Status.Phase).To(Equal(phase))
		Expect(f.secret()).To(BeNil())
		Expect(f.handedOut()).To(HaveLen(1))
		Expect(condition(f.key(), v1alpha1.ConditionReady).Message).To(ContainSubstring("rotation asked for since is ignored"))
	},
		Entry("revoked", func(f *fixture) { f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }) }, v1alpha1.PhaseRevoked),
		Entry("expired", func(f *fixture) { f.clock.SetTime(f.clock.Now().Add(2 * time.Hour)) }, v1alpha1.PhaseExpired),
	)

	It("is recorded as a digest when it is long, so that a key that was put there by mistake is not", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		mistake, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
		Expect(err).NotTo(HaveOccurred())
		f.rotate(mistake.Reveal())
		f.settle()
		f.expectHealthy()
		Expect(f.key().Status.LastRotation.Value).To(HavePrefix("sha256:"))
		f.expectUntouched(f.value())
	})
})

var _ = Describe("An overlap", func() {
	It("keeps the old key valid and in the Secret until it ends", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(withRotation("", "10m"))
		f.settle()
		old := f.value()
		f.rotate("a")
		result := f.settle()
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeTrue())
		Expect(f.secret().Data).To(HaveKeyWithValue("previous-api-key", []byte(old)))
		Expect(result.RequeueAfter).To(Equal(10 * time.Minute))

		f.clock.SetTime(f.clock.Now().Add(10 * time.Minute))
		Expect(f.accepts(old)).To(BeFalse(), "the verifier's own clock ends it")
		f.settle()
		f.expectHealthy()
		Expect(f.secret().Data).NotTo(HaveKey("previous-api-key"))
		Expect(f.key().Status.Keys).To(HaveLen(1))
	})

	It("does not bring the old key back when the clock steps back", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(withRotation("", "10m"))
		f.settle()
		old := f.value()
		f.rotate("a")
		f.settle()
		f.clock.SetTime(f.clock.Now().Add(10 * time.Minute))
		f.settle()
		f.clock.SetTime(f.clock.Now().Add(-10 * time.Minute))
		f.settle()
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("lets earlier keys live out their own overlap, as far as there is room", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(withRotation("", "10m"))
		f.settle()
		for _, value := range []string{"a", "b", "c", "d", "e"} {
			f.rotate(value)
			f.settle()
			f.expectHealthy()
		}
		values := f.handedOut()
		Expect(f.key().Status.Keys).To(HaveLen(v1alpha1.MaxKeys))
		Expect(f.accepts(values[len(values)-2])).To(BeTrue())
		Expect(f.accepts(values[0])).To(BeFalse(), "the oldest made room")
	})
})

var _ = Describe("A rotation schedule", func() {
	It("rotates when its time has come, and not before", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(withRotation("720h", "10m"))
		Expect(f.settle().RequeueAfter).To(Equal(720 * time.Hour))
		old := f.value()
		f.clock.SetTime(f.clock.Now().Add(720*time.Hour - time.Second))
		f.expectUntouched(old)
		f.clock.SetTime(f.clock.Now().Add(time.Second))
		f.settle()
		f.expectHealthy()
		Expect(f.value()).NotTo(Equal(old))
		Expect(f.accepts(old)).To(BeTrue())
		Expect(f.key().Status.LastRotation.Trigger).To(Equal(v1alpha1.TriggerSchedule))
	})

	It("rotates once for all the times it has missed", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(withRotation("1h", ""))
		f.settle()
		f.clock.SetTime(f.clock.Now().Add(100 * time.Hour))
		f.settle()
		f.expectHealthy()
		Expect(f.handedOut()).To(HaveLen(2))
	})
})
