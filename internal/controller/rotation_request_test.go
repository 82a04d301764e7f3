// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// lastNote is what the latest event says.
func (f *fixture) lastNote() string {
	GinkgoHelper()
	Expect(f.notes).NotTo(BeEmpty())

	return f.notes[len(f.notes)-1]
}

var _ = Describe("The overlap of one rotation", func() {
	// others are causes of rotations after one with an overlap of its own; works says whether the overlap of spec keeps the old key.
	others := map[string]struct {
		cause func(*fixture)
		works bool
	}{
		"the schedule": {func(f *fixture) { f.clock.SetTime(f.clock.Now().Add(time.Hour)) }, true},
		"a deletion":   {func(f *fixture) { Expect(admin.Delete(f.ctx, f.secret())).To(Succeed()) }, false},
		"an edit":      {func(f *fixture) { f.plant("planted") }, true},
		"a later name": {func(f *fixture) { f.rotate("later") }, true},
	}
	for name, other := range testkit.Sorted(others) {
		It("stops a leaked key, older ones too, and says nothing about the next rotation: "+name, func(ctx context.Context) {
			f := newFixture(ctx)
			f.create(withRotation("1h", "10m"))
			f.settle()
			first := f.value()
			f.rotate("planned")
			f.settle()
			second := f.value()
			Expect(f.accepts(first)).To(BeTrue())
			f.rotate("leak1,overlap=0s")
			f.settle()
			f.expectHealthy()
			third := f.value()
			Expect([]bool{f.accepts(first), f.accepts(second)}).To(HaveEach(false))
			Expect(f.secret().Data).NotTo(HaveKey("previous-api-key"))
			Expect(f.lastNote()).To(MatchRegexp(`^Normal Rotated: .* \(Annotation\); the old key [\w-]{12} has stopped$`))

			other.cause(f)
			f.settle()
			f.expectHealthy()
			Expect(f.value()).NotTo(Equal(third))
			Expect(f.accepts(third)).To(Equal(other.works), "the overlap of spec counts again")
		})
	}

	It("is not kept from a planned rotation for the next one, which stops the old key at once", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		first := f.value()
		f.rotate("planned,overlap=1h")
		f.settle()
		Expect(f.accepts(first)).To(BeTrue())
		Expect(f.secret().Data).To(HaveKeyWithValue("previous-api-key", []byte(first)))
		Expect(f.lastNote()).To(HaveSuffix("works until %s", f.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
		second := f.value()
		f.rotate("leak")
		f.settle()
		Expect([]bool{f.accepts(first), f.accepts(second)}).To(HaveEach(false))
	})

	It("ends with the key in what the event says", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "30m" })
		f.settle()
		f.rotate("planned,overlap=1h")
		f.settle()
		Expect(f.lastNote()).To(HaveSuffix("works until %s", f.key().Status.ExpiresAt.UTC().Format(time.RFC3339)))
	})

	for write := 1; write <= 3; write++ {
		for _, after := range []bool{false, true} {
			for what, change := range map[string]func(*fixture){
				"stays": func(*fixture) {},
				"is taken out": func(f *fixture) {
					f.edit(func(k *v1alpha1.APIKey) { delete(k.Annotations, v1alpha1.RotateAnnotation) })
				},
				"gets another value": func(f *fixture) { f.rotate("planned,overlap=1h") },
			} {
				It(fmt.Sprintf("holds when the process dies at write %d, applied %t, and the annotation %s", write, after, what), func(ctx context.Context) {
					f := newFixture(ctx)
					f.create(withRotation("", "10m"))
					f.settle()
					leaked := f.value()
					f.rotate("leak1,overlap=0s")
					_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: write, After: after, Forever: true})))
					Expect(err).To(MatchError(testkit.ErrWire))
					begun := write > 1 || after // else the API server has not received it
					change(f)
					f.settle()
					f.expectHealthy()
					switch {
					case begun:
						Expect(f.accepts(leaked)).To(BeFalse())
						value := f.value()
						f.rotate("leak1,overlap=0s")
						f.expectForgone(value)
					case what == "is taken out":
						Expect(f.value()).To(Equal(leaked))
					default:
						Expect(f.accepts(leaked)).To(Equal(what == "gets another value"))
					}
				})
			}
		}
	}

	for _, modifier := range []string{"10", "soon", "-1s", "721h", "99999999999h", "", "5m,overlap=5m", "5m ", "0.5h"} {
		It(fmt.Sprintf("is that of spec where the annotation makes no sense, and a Warning says so: %q", modifier), func(ctx context.Context) {
			f := newFixture(ctx)
			f.create(withRotation("", "10m"))
			f.settle()
			old := f.value()
			f.rotate("leak1,overlap=" + modifier)
			f.settle()
			f.expectHealthy()
			Expect(f.value()).NotTo(Equal(old))
			Expect(f.key().Status.Keys[0].NotAfter.Time).To(BeTemporally("==", f.clock.Now().Add(10*time.Minute)))
			Expect(f.events).To(Equal([]string{"Minted", "Rotated", "InvalidRotateOverlap"}))
			Expect(f.lastNote()).To(And(HavePrefix("Warning "), ContainSubstring(`such as "leak-4711,overlap=0s"`)))
			f.expectUntouched(f.value())
			Expect(f.events).To(HaveLen(3), "told once")
		})
	}

	It("does not hold up a key that an older operator has blocked for its annotation", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		old := f.value()
		key := f.key()
		for i := range key.Status.Conditions {
			if key.Status.Conditions[i].Type == v1alpha1.ConditionReady {
				key.Status.Conditions[i].Status, key.Status.Conditions[i].Reason = "False", "InvalidRotateOverlap"
			}
		}
		Expect(admin.Status().Update(ctx, key)).To(Succeed())
		f.rotate("a")
		f.edit(func(k *v1alpha1.APIKey) { k.Annotations["apikey-operator.io/rotate-overlap"] = "soon" })
		f.settle()
		f.expectHealthy()
		Expect(f.value()).NotTo(Equal(old))
	})
})

// expectForgone checks that the annotation rotates nothing, and that an event says so once.
func (f *fixture) expectForgone(value string) {
	GinkgoHelper()
	told := len(f.events)
	f.settle()
	Expect(f.value()).To(Equal(value))
	Expect(f.events[told:]).To(Or(BeEmpty(), Equal([]string{"RotationIgnored"})))
	told = len(f.events)
	f.expectUntouched(value)
	Expect(f.events).To(HaveLen(told))
}

var _ = Describe("A value of the rotate annotation that was acted on before", func() {
	It("rotates nothing when a pipeline puts it back, and an event says so each time", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Annotations = map[string]string{v1alpha1.RotateAnnotation: "1"} })
		f.settle()
		for _, byHand := range []string{"by hand", "by hand,overlap=0s"} {
			f.rotate(byHand)
			f.settle()
			f.expectHealthy()
			value := f.value()
			told := len(f.events)
			for _, again := range []string{"1", byHand, "1"} {
				f.rotate(again)
				f.settle()
				Expect(f.value()).To(Equal(value))
				f.expectUntouched(value)
			}
			Expect(f.events[told:]).To(Equal([]string{"RotationIgnored", "RotationIgnored", "RotationIgnored"}))
			Expect(f.lastNote()).To(HavePrefix("Warning RotationIgnored: Nothing was rotated"))
		}
		Expect(f.handedOut()).To(HaveLen(3))
	})

	It("is forgotten after sixteen others, and not before", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		for i := range v1alpha1.MaxRotateValues {
			f.rotate(fmt.Sprintf("v%d", i))
			f.settle()
		}
		Expect(f.key().Status.RotateValues).To(HaveLen(v1alpha1.MaxRotateValues))
		value := f.value()
		f.rotate("v0")
		f.settle()
		Expect(f.value()).To(Equal(value))
		f.rotate("one more")
		f.settle()
		f.rotate("v1")
		f.settle()
		Expect(f.handedOut()).To(HaveLen(1 + v1alpha1.MaxRotateValues + 2))
	})

	It("is known from a status that an older operator has written, which stays as it is", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		f.rotate("1")
		f.settle()
		before := f.key()
		key := before.DeepCopy()
		key.Status.RotateValues = nil
		Expect(admin.Status().Patch(ctx, key, client.MergeFrom(before))).To(Succeed())
		f.expectUntouched(f.value())
		f.rotate("2")
		f.settle()
		value := f.value()
		f.rotate("1")
		f.expectForgone(value)
	})
})
