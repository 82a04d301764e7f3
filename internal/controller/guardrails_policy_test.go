// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// policy makes an APIKeyPolicy for the fixture's namespace alone, with a spec in YAML. It goes with the spec.
func (f *fixture) policy(name, spec string) *v1alpha1.APIKeyPolicy {
	GinkgoHelper()
	p := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: name + "-" + f.name.Namespace}}
	Expect(yaml.UnmarshalStrict([]byte(spec), &p.Spec)).To(Succeed())
	if p.Spec.NamespaceSelector == nil {
		p.Spec.NamespaceSelector = &v1alpha1.NamespaceSelector{}
	}
	metadataName := v1alpha1.NamespaceRequirement{
		Key: corev1.LabelMetadataName, Operator: v1alpha1.NamespaceLabelIn, Values: []v1alpha1.LabelValue{v1alpha1.LabelValue(f.name.Namespace)},
	}
	p.Spec.NamespaceSelector.MatchExpressions = append(p.Spec.NamespaceSelector.MatchExpressions, metadataName)
	Expect(admin.Create(f.ctx, p)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, p))).To(Succeed()) })

	return p
}

// label sets a label of the fixture's namespace; an empty value takes it off.
func (f *fixture) label(name, value string) {
	GinkgoHelper()
	ns := &corev1.Namespace{}
	Expect(admin.Get(f.ctx, client.ObjectKey{Name: f.name.Namespace}, ns)).To(Succeed())
	if ns.Labels[name] = value; value == "" {
		delete(ns.Labels, name)
	}
	Expect(admin.Update(f.ctx, ns)).To(Succeed())
}

// compliant says what Compliant is, in one word, and "" where there is none.
func (f *fixture) compliant() string {
	GinkgoHelper()
	if c := condition(f.key(), v1alpha1.ConditionCompliant); c != nil {
		return string(c.Status)
	}

	return ""
}

// eventuallyCompliant waits until Compliant says something.
func (f *fixture) eventuallyCompliant(want string) {
	GinkgoHelper()
	Eventually(f.compliant).WithTimeout(patience).WithPolling(5 * time.Millisecond).Should(Equal(want))
}

// limit is the rate limit in force; nil where there is none.
func (f *fixture) limit() *v1alpha1.RateLimit {
	GinkgoHelper()

	return f.key().Status.RateLimit
}

// withoutNamespaces is a cache to which no namespace was delivered yet.
type withoutNamespaces struct{ client.Reader }

// Get implements client.Reader.
func (c withoutNamespaces) Get(_ context.Context, name client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return notFound(name)
}

var _ = Describe("An APIKeyPolicy", Ordered, Serial, func() {
	s := installed()

	It("gives a key its default expiry and limit, and leaves spec alone", func(ctx context.Context) {
		f := newFixture(ctx)
		f.policy("defaults", "{expiry: {default: 48h, maximum: 96h}, rateLimit: {default: {requests: 100, per: 1m}}}")
		apikey := f.create()
		s.settle(f)
		f.expectHealthy()
		now := f.key()
		Expect(now.Spec).To(Equal(apikey.Spec))
		Expect(now.Generation).To(Equal(apikey.Generation))
		Expect(now.Status.ExpiresAt.Time).To(BeTemporally("==", apikey.CreationTimestamp.Add(48*time.Hour)))
		Expect(now.Status.RateLimit).To(Equal(&v1alpha1.RateLimit{Requests: 100, Per: "1m"}))
		Expect(f.compliant()).To(Equal("True"))

		By("letting that time pass")
		f.clock.SetTime(now.Status.ExpiresAt.Time)
		s.settle(f)
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseExpired))
		Expect(f.compliant()).To(BeEmpty())
		Expect(f.secret()).To(BeNil())
	})

	It("that changes while a key lives is reported, moves its limit and not its expiry, and kills nothing", func(ctx context.Context) {
		f := newFixture(ctx)
		s.start(f)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.RateLimit = &v1alpha1.RateLimit{Requests: 50, Per: "1s"} })
		f.eventuallyHealthy()
		value := f.value()
		Expect(f.compliant()).To(BeEmpty())
		Expect(f.limit()).To(Equal(&v1alpha1.RateLimit{Requests: 50, Per: "1s"}))

		By("making one that it meets")
		p := f.policy("changing", "{environments: [Production], rateLimit: {maximum: {requests: 100, per: 1s}}}")
		f.eventuallyCompliant("True")

		By("tightening it")
		before := p.DeepCopy()
		p.Spec.Environments = []v1alpha1.Environment{v1alpha1.EnvironmentStaging}
		p.Spec.Expiry = &v1alpha1.ExpiryPolicy{Maximum: "1s"}
		p.Spec.RateLimit.Maximum.Requests = 10
		Expect(admin.Patch(ctx, p, client.MergeFrom(before))).To(Succeed())
		f.eventuallyCompliant("False")
		Expect(condition(f.key(), v1alpha1.ConditionCompliant).Message).To(And(
			ContainSubstring(p.Name), ContainSubstring(`environment "Production"`), ContainSubstring("at most 1s"), ContainSubstring("10 requests per 1s")))
		Eventually(f.limit).WithTimeout(patience).Should(Equal(&v1alpha1.RateLimit{Requests: 10, Per: "1s"}))
		Eventually(func() []string { return eventsAbout(f) }).WithTimeout(patience).Should(ContainElement(v1alpha1.ReasonPolicyDenied))
		f.expectHealthy()
		Expect(f.value()).To(Equal(value))
		Expect(f.key().Status.ExpiresAt).To(BeNil())
		Expect(condition(f.key(), v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))

		By("changing something else in the key")
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.DisplayName = "Main Website" })
		f.eventuallyHealthy()
		Expect(f.key().Status.ExpiresAt).To(BeNil())
		Expect(f.value()).To(Equal(value))

		By("replacing it, because it has leaked")
		f.rotate("leaked")
		f.eventuallyHealthy(func(k *v1alpha1.APIKey) bool { return k.Status.LastRotation.Value == "leaked" })
		Expect(f.accepts(value)).To(BeFalse())
		Expect(f.compliant()).To(Equal("False"))

		By("deleting the policy")
		Expect(admin.Delete(ctx, p)).To(Succeed())
		f.eventuallyCompliant("")
		Expect(f.limit()).To(Equal(&v1alpha1.RateLimit{Requests: 50, Per: "1s"}))
		f.expectHealthy()
	})

	It("keeps a key from its first Secret that was created before it, and lets it have one when it goes", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		p := f.policy("late", "environments: [Staging]")
		s.start(f)
		f.heldBack(v1alpha1.ReasonPolicyDenied, p.Name, `does not allow environment "Production"`)
		f.eventuallyCompliant("False")
		Eventually(func() []string { return eventsAbout(f) }).WithTimeout(patience).Should(Equal([]string{v1alpha1.ReasonPolicyDenied}), "told once")
		Expect(admin.Delete(ctx, p)).To(Succeed())
		f.eventuallyHealthy()
	})

	It("is for the namespaces that have its labels when they have them", func(ctx context.Context) {
		f, g := newFixture(ctx), newFixture(ctx)
		o := s.start(f)
		f.policy("labelled", "{namespaceSelector: {matchLabels: {tier: gold}}, rateLimit: {default: {requests: 7, per: 1h}}}")
		f.create()
		g.create()
		f.eventuallyHealthy()
		Expect(f.compliant()).To(BeEmpty())
		for range 2 {
			f.label("tier", "gold")
			f.eventuallyCompliant("True")
			Expect(f.limit()).To(Equal(&v1alpha1.RateLimit{Requests: 7, Per: "1h"}))
			f.label("tier", "")
			f.eventuallyCompliant("")
			Expect(f.limit()).To(BeNil())
		}
		afterPasses(0, func() {})
		o.wire.Reset()

		By("changing a label that no policy looks at")
		passes, _ := reconciles()
		f.label("color", "blue")
		f.label("tier", "gold")
		f.eventuallyCompliant("True")
		afterPasses(0, func() {})
		after, _ := reconciles()
		Expect(after-passes).To(BeNumerically("==", 1), "for the label that counts")
		Expect(o.wire.Calls()).To(Equal([]string{"PUT apikeys/status"}))
	})

	It("that is made for other namespaces is forgotten in those it was for", func(ctx context.Context) {
		f, g := newFixture(ctx), newFixture(ctx)
		s.start(f, func(opts *ctrl.Options) { opts.Cache.DefaultNamespaces[g.name.Namespace] = cache.Config{} })
		only := func(f *fixture) *v1alpha1.NamespaceSelector {
			return &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: v1alpha1.LabelValue(f.name.Namespace)}}
		}
		p := &v1alpha1.APIKeyPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "moving-" + f.name.Namespace},
			Spec:       v1alpha1.APIKeyPolicySpec{NamespaceSelector: only(f), Environments: []v1alpha1.Environment{v1alpha1.EnvironmentProduction}},
		}
		Expect(admin.Create(ctx, p)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, p)).To(Succeed()) })
		f.create()
		g.create()
		f.eventuallyHealthy()
		g.eventuallyHealthy()
		f.eventuallyCompliant("True")
		Expect(g.compliant()).To(BeEmpty())

		p.Spec.NamespaceSelector = only(g)
		Expect(admin.Update(ctx, p)).To(Succeed())
		f.eventuallyCompliant("")
		g.eventuallyCompliant("True")
	})

	It("that has not changed costs no write when the operator starts again", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 10)
		f := fixtures[0]
		f.policy("steady", "{expiry: {default: 48h}, rateLimit: {maximum: {requests: 5, per: 1s}}, rotation: {maximumAge: 24h}}")
		o := s.start(f)
		for _, f := range fixtures {
			f.create()
		}
		for _, f := range fixtures {
			f.eventuallyHealthy(func(k *v1alpha1.APIKey) bool { return k.Status.RateLimit != nil && k.Status.ExpiresAt != nil })
		}
		afterPasses(0, func() {})
		o.stop()
		afterPasses(float64(len(fixtures)), func() { o = s.start(f) })
		Eventually(func() []string { return withoutLists(o.wire.Calls()) }).WithTimeout(patience).
			Should(Equal(slices.Repeat([]string{"GET secrets"}, len(fixtures))), "each Secret is read once, to check the status")
	})

	It("reports a key once it is too old", func(ctx context.Context) {
		f := newFixture(ctx)
		f.policy("young", "rotation: {maximumAge: 24h}")
		f.create()
		result := s.settle(f)
		Expect(f.compliant()).To(Equal("True"))
		Expect(result.RequeueAfter).To(BeNumerically("~", 24*time.Hour, time.Minute), "the queue wakes the operator then")
		f.advance(24 * time.Hour)
		f.events = nil
		s.settle(f)
		Expect(f.compliant()).To(Equal("False"))
		Expect(f.events).To(Equal([]string{v1alpha1.ReasonPolicyDenied}))
		f.expectHealthy()

		By("rotating it")
		f.rotate("now")
		s.settle(f)
		Expect(f.compliant()).To(Equal("True"))
	})

	It("is waited for until the namespace is known, whose labels say for whom it is", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.policy("awaited", "environments: [Staging]")
		wire := testkit.NewWire(testkit.Cut{})
		r := s.reconciler(f, wire)
		r.Policies = withoutNamespaces{r.Policies}
		result, err := f.pass(r)
		Expect(err).NotTo(HaveOccurred(), "a watch that is behind is no error")
		Expect(result.RequeueAfter).To(BeNumerically(">", 0))
		Expect(wire.Writes()).To(BeEmpty())
		s.settle(f)
		f.heldBack(v1alpha1.ReasonPolicyDenied)
	})

	It("that comes while a first key is announced takes the announcement back", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		wire := newMeanwhile(1, func() { f.policy("sudden", "environments: [Staging]") })
		_, err := f.pass(s.reconciler(f, wire))
		Expect(err).NotTo(HaveOccurred())
		f.heldBack(v1alpha1.ReasonPolicyDenied, `does not allow environment "Production"`)
	})

	It("that comes while a first key is announced sets its expiry", func(ctx context.Context) {
		f := newFixture(ctx)
		apikey := f.create()
		wire := newMeanwhile(1, func() { f.policy("sudden", "expiry: {maximum: 1h}") })
		_, err := f.pass(s.reconciler(f, wire))
		Expect(err).NotTo(HaveOccurred())
		f.expectHealthy()
		Expect(f.key().Status.ExpiresAt.Time).To(BeTemporally("==", apikey.CreationTimestamp.Add(time.Hour)))
	})
})
