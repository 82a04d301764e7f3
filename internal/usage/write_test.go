// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage_test

import (
	"context"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

var _ = Describe("A write", func() {
	It("changes nothing but lastUsedAt, with no right but to patch the status", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		f.fillStatus(key)
		for _, what := range []string{"the first", "a later"} { // the field is added, and replaced
			r := f.start()
			before := f.stored(key)
			at := f.use(r, key)
			r.WriteDue(ctx)

			after := f.stored(key)
			Expect(cmp.Diff(withoutUse(before), withoutUse(after))).To(BeEmpty(), what)
			text, _, _ := unstructured.NestedString(after.Object, "status", "lastUsedAt")
			Expect(text).To(Equal(at.Format(time.RFC3339)), "whole seconds in UTC")
			Expect(r.wire.Calls()).To(Equal([]string{"PATCH apikeys/status"}))
			Expect(r.writes("written")).To(Equal(1.0))
			f.awaitWatch(key)
			f.clock.Step(usage.Interval + 123*time.Millisecond)
		}
	})

	It("of the use of a deleted APIKey does not reach the one that has its name now", func(ctx context.Context) {
		f := newFixture(ctx)
		r, late := f.start(), f.start(func(o *usage.Options) { o.Subjects = alwaysLive{} })
		old := f.create("main-website")
		Expect(admin.Delete(ctx, old)).To(Succeed())
		heir := f.create("main-website")
		Eventually(func() bool { return f.seen.has(old) }).WithTimeout(patience).Should(BeFalse())

		By("dropping it, when the watch has told")
		f.use(r, old)
		r.WriteDue(ctx)
		Expect(r.wire.Calls()).To(BeEmpty())
		Expect(r.Entries()).To(BeZero())

		By("being refused, when the watch has not told yet")
		f.use(late, old)
		late.WriteDue(ctx)
		Expect(late.wire.Calls()).To(HaveLen(1))
		Expect(late.writes("refused")).To(Equal(1.0))
		Expect(f.lastUsedAt(heir)).To(BeZero())

		By("being dropped, when there is none of that name")
		Expect(admin.Delete(ctx, heir)).To(Succeed())
		f.clock.Step(time.Minute)
		late.WriteDue(ctx)
		Expect(late.writes("gone")).To(Equal(1.0))
		Expect(late.Entries()).To(BeZero())
	})

	It("does not conflict with a write of the operator", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		cut := testkit.Cut{Write: 1, Meanwhile: func() { f.fillStatus(key) }}
		r := f.start(func(o *usage.Options) { o.Writer = f.writerOver(testkit.NewWire(cut)) })
		at := f.use(r, key)
		r.WriteDue(ctx)
		Expect(r.writes("written")).To(Equal(1.0))
		Expect(f.lastUsedAt(key)).To(Equal(at))
		phase, _, _ := unstructured.NestedString(f.stored(key).Object, "status", "phase")
		Expect(phase).To(Equal("Suspended"), "what the operator wrote")
	})

	It("never moves lastUsedAt backwards", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		newer := f.clock.Now().Add(time.Hour)
		cut := testkit.Cut{Write: 1, Meanwhile: func() { f.othersUse(key, newer) }}
		r := f.start(func(o *usage.Options) { o.Writer = f.writerOver(testkit.NewWire(cut)) })
		f.use(r, key)
		r.WriteDue(ctx)
		Expect(r.writes("refused")).To(Equal(1.0))
		Expect(f.lastUsedAt(key)).To(Equal(newer))

		By("finding that there is nothing left to write, once the watch has told")
		f.awaitWatch(key)
		f.clock.Step(time.Minute)
		r.WriteDue(ctx)
		r.WriteDue(ctx)
		Expect(r.pending()).To(BeZero())
		Expect(r.writes("refused") + r.writes("written")).To(Equal(1.0))
	})

	It("catches up with a status that was restored from a backup", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		r := f.start()
		f.use(r, key)
		r.WriteDue(ctx)
		f.awaitWatch(key)
		f.othersUse(key, f.clock.Now().Add(-time.Hour))
		f.awaitWatch(key)

		f.clock.Step(usage.Interval)
		at := f.use(r, key)
		r.WriteDue(ctx)
		Expect(r.writes("refused")).To(Equal(1.0))
		f.clock.Step(time.Minute)
		r.WriteDue(ctx)
		Expect(f.lastUsedAt(key)).To(Equal(at))
	})

	It("is kept while the API server does not know the resource", func(ctx context.Context) {
		f := newFixture(ctx)
		r := f.start(func(o *usage.Options) { o.Writer = usage.NewStatusWriterOf(restClient(plane.Config), "strangers") })
		f.use(r, f.create("main-website"))
		r.WriteDue(ctx)
		Expect(r.writes("failed")).To(Equal(1.0))
		Expect(r.Entries()).To(Equal(1))
	})

	It("that is forbidden is said once, and done when it is allowed", func(ctx context.Context) {
		f := newFixture(ctx)
		keys := []*v1alpha1.APIKey{f.create("one"), f.create("two"), f.create("three")}
		const user = "system:serviceaccount:apikey-operator-system:late"
		cfg, err := plane.User(user)
		Expect(err).NotTo(HaveOccurred())
		r := f.startAs(cfg)
		for _, key := range keys {
			f.use(r, key)
		}
		r.WriteDue(ctx)
		r.WriteDue(ctx)
		Expect(r.writes("forbidden")).To(Equal(3.0))
		Expect(r.log.String()).To(MatchRegexp(`^time=\S+ level=WARN [^\n]*result=forbidden\n$`), "one line")

		Expect(admin.Create(ctx, bindingOf(user))).To(Succeed())
		Eventually(func() float64 {
			f.clock.Step(time.Minute)
			r.WriteDue(ctx)

			return r.writes("written")
		}).WithTimeout(patience).Should(Equal(3.0))
	})
})

// alwaysLive are Subjects of a watch that is behind: every APIKey exists and was never used.
type alwaysLive struct{}

// Subject implements usage.Subjects.
func (alwaysLive) Subject(_, _, uid string) *access.Subject { return &access.Subject{UID: uid} }

// writerOver makes a writer of a verifier behind a wire.
func (f *fixture) writerOver(wire *testkit.Wire) usage.StatusWriter {
	GinkgoHelper()

	return usage.NewStatusWriter(restClient(wire.Attach(verifier)))
}

// fillStatus writes all fields of the status but lastUsedAt, as the operator would.
func (f *fixture) fillStatus(key *v1alpha1.APIKey) {
	GinkgoHelper()
	now := &v1alpha1.APIKey{}
	Expect(admin.Get(f.ctx, client.ObjectKeyFromObject(key), now)).To(Succeed())
	at := metav1.NewTime(f.clock.Now())
	digest := "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
	now.Status = v1alpha1.APIKeyStatus{
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSuspended,
			LastTransitionTime: at, ObservedGeneration: 1, Message: "The key is suspended.",
		}},
		ObservedGeneration: 1, Phase: v1alpha1.PhaseSuspended, ExpiresAt: &at,
		Keys:         []v1alpha1.KeyRecord{{ID: digest[:12], Digest: digest, State: v1alpha1.KeyRetiring, CreatedAt: at, NotAfter: &at}},
		SecretRef:    &v1alpha1.SecretReference{Name: "main-website", UID: "u", ResourceVersion: "1"},
		LastRotation: &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: at},
	}
	Expect(admin.Status().Update(f.ctx, now)).To(Succeed())
}

// stored is an APIKey as the API server has it.
func (f *fixture) stored(key *v1alpha1.APIKey) *unstructured.Unstructured {
	GinkgoHelper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	Expect(admin.Get(f.ctx, client.ObjectKeyFromObject(key), u)).To(Succeed())

	return u
}

// withoutUse is an APIKey without what a write of lastUsedAt changes.
func withoutUse(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	u.SetResourceVersion("")
	u.SetManagedFields(nil)
	unstructured.RemoveNestedField(u.Object, "status", "lastUsedAt")

	return u.Object
}
