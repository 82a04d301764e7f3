// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// A need is a request that an APIKey waits for.
type need struct {
	name    string
	prepare func(*fixture)
	ask     func(*fixture)
	// settled is the phase when all is well again.
	settled v1alpha1.Phase
}

func needs() []need {
	minted := func(f *fixture) { f.create(); f.settle() }

	return []need{
		{"CREATE", func(*fixture) {}, func(f *fixture) { f.create() }, v1alpha1.PhaseActive},
		{"UPDATE", minted, func(f *fixture) { f.rotate("now") }, v1alpha1.PhaseActive},
		{"DELETE", minted, func(f *fixture) { f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }) }, v1alpha1.PhaseRevoked},
	}
}

// failures are the events about requests that fail.
func (f *fixture) failures() []string {
	return slices.DeleteFunc(slices.Clone(f.events), func(reason string) bool {
		return reason != v1alpha1.ReasonRequestFailed && reason != v1alpha1.ReasonRequestRefused
	})
}

// expectNoKeyIn checks that no text quotes a key that was handed out, plain or in base64.
func (f *fixture) expectNoKeyIn(texts ...[]byte) {
	GinkgoHelper()
	for _, value := range f.handedOut() {
		encoded := base64.StdEncoding.EncodeToString([]byte(value))
		for _, text := range texts {
			Expect(bytes.Contains(text, []byte(value))).To(BeFalse(), "a key is quoted")
			Expect(bytes.Contains(text, []byte(encoded))).To(BeFalse(), "a key is quoted in base64")
		}
	}
}

var _ = Describe("A request that keeps failing", func() {
	faults := map[string]func(*webhook){
		"a webhook that answers 500":          func(w *webhook) { w.set(answers500) },
		"a webhook that hangs":                func(w *webhook) { w.set(hangs) },
		"a webhook that is down":              func(w *webhook) { w.down() },
		"a webhook that answers 409 for ever": func(w *webhook) { w.set(denies(http.StatusConflict)) },
		"a webhook that answers 404":          func(w *webhook) { w.set(denies(http.StatusNotFound)) },
		"a webhook that answers 429":          func(w *webhook) { w.set(denies(http.StatusTooManyRequests)) },
	}
	for fault, begin := range testkit.Sorted(faults) {
		for _, n := range needs() {
			It("is reported once it lasts, by one event, and recovers: "+fault+", "+n.name, func(ctx context.Context) {
				f := newFixture(ctx)
				n.prepare(f)
				hook := startWebhook(f)
				begin(hook)
				n.ask(f)
				r := f.reconciler(testkit.NewWire(testkit.Cut{}))
				first, _ := f.pass(r)
				Expect(f.failures()).To(BeEmpty(), "one attempt is not worth an event")
				if n.settled == v1alpha1.PhaseRevoked && first.RequeueAfter == 0 {
					Expect(f.key().Status.Phase).To(Equal(n.settled), "the phase follows spec at once")
				}
				for range 12 {
					_, _ = f.pass(r)
				}
				ready := condition(f.key(), v1alpha1.ConditionReady)
				Expect(ready).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonRequestFailed),
					HaveField("Message", And(ContainSubstring("Secret "+f.name.Namespace), Not(ContainSubstring("127.0.0.1"))))))
				f.expectNoKeyIn([]byte(ready.Message))
				Expect(condition(f.key(), v1alpha1.ConditionReconciling)).NotTo(BeNil())
				Expect(f.failures()).To(Equal([]string{v1alpha1.ReasonRequestFailed}))
				expectNoDeadKeyInSecret(f)
				if n.settled == v1alpha1.PhaseRevoked {
					Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhaseRevoked))
					Expect(condition(f.key(), v1alpha1.ConditionActive)).To(HaveField("Reason", v1alpha1.ReasonRevoked))
					Expect(ready.Message).To(ContainSubstring("could not be deleted yet"))
				}

				By("failing once more")
				before := f.key().ResourceVersion
				_, _ = f.pass(r)
				Expect(f.key().ResourceVersion).To(Equal(before), "the status does not change with each attempt")

				By("working again")
				hook.set(allows)
				if fault == "a webhook that is down" {
					hook.up()
				}
				f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
				f.settle()
				Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Status", metav1.ConditionTrue))
				Expect(condition(f.key(), v1alpha1.ConditionReconciling)).To(BeNil())
				if n.settled == v1alpha1.PhaseRevoked {
					f.expectEnded(v1alpha1.PhaseRevoked)
				} else {
					f.expectHealthy()
				}
				f.expectNoKeyIn(logged.all()...)
			})
		}
	}

	It("is reported after 30 seconds when each attempt takes long", func(ctx context.Context) {
		f := newFixture(ctx)
		hook := startWebhook(f)
		f.create()
		hook.set(answers500)
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		_, _ = f.pass(r)
		f.advance(31 * time.Second)
		_, _ = f.pass(r)
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonRequestFailed))
	})

	It("is counted anew after a success", func(ctx context.Context) {
		f := newFixture(ctx)
		hook := startWebhook(f)
		f.create()
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		for range 5 {
			hook.set(answers500)
			f.rotate(time.Now().String())
			_, _ = f.pass(r)
			_, _ = f.pass(r)
			hook.set(allows)
			f.settleReconciler(r, testkit.NewWire(testkit.Cut{}))
		}
		Expect(f.failures()).To(BeEmpty())
		f.expectHealthy()
	})

	It("is never quoted with the key that is in the Secret", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		hook := startWebhook(f)
		hook.set(denies(http.StatusForbidden))
		for _, change := range []func(*v1alpha1.APIKey){
			func(k *v1alpha1.APIKey) {
				k.Spec.Secret = &v1alpha1.SecretTemplate{Labels: map[string]v1alpha1.LabelValue{"team": "web"}}
			},
			func(k *v1alpha1.APIKey) { k.Annotations = map[string]string{v1alpha1.RotateAnnotation: "now"} },
			func(k *v1alpha1.APIKey) { k.Spec.Revoked = true },
		} {
			f.edit(change)
			_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{})))
			Expect(err).To(MatchError(ContainSubstring("not today")))
			f.expectNoKeyIn([]byte(err.Error()))
			ready := condition(f.key(), v1alpha1.ConditionReady)
			Expect(ready).To(And(HaveField("Reason", v1alpha1.ReasonRequestRefused), HaveField("Message", ContainSubstring("not today"))))
			f.expectNoKeyIn([]byte(ready.Message))
		}
	})
})

var _ = Describe("A quota that is exceeded", func() {
	It("is reported, stays one event while its numbers change, and recovers", func(ctx context.Context) {
		f := newFixture(ctx)
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, Name: "small"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/secrets": resource.MustParse("1")}},
			Status:     corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{"count/secrets": resource.MustParse("1")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		use := func(n string) {
			quota.Status = corev1.ResourceQuotaStatus{
				Hard: corev1.ResourceList{"count/secrets": resource.MustParse("1")},
				Used: corev1.ResourceList{"count/secrets": resource.MustParse(n)},
			}
			Expect(admin.Status().Update(ctx, quota)).To(Succeed())
		}
		use("1")
		f.create()
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		Eventually(func() *metav1.Condition { // the quota plugin reads from a cache
			_, _ = f.pass(r)

			return condition(f.key(), v1alpha1.ConditionReady)
		}).WithTimeout(patience).Should(And(HaveField("Reason", v1alpha1.ReasonRequestRefused), HaveField("Message", ContainSubstring("exceeded quota"))))
		said := condition(f.key(), v1alpha1.ConditionReady).Message
		use("7")
		for range 3 {
			_, _ = f.pass(r)
		}
		Expect(condition(f.key(), v1alpha1.ConditionReady).Message).To(Equal(said))
		Expect(f.failures()).To(HaveLen(1))
		Expect(admin.Delete(ctx, quota)).To(Succeed())
		Eventually(func() error { _, err := f.pass(r); return err }).WithTimeout(patience).Should(Succeed())
		f.settle()
		f.expectHealthy()
	})
})

// outsider is a client of a user without any right.
func (f *fixture) outsider() client.Client {
	GinkgoHelper()
	cfg, err := plane.User("outsider")
	Expect(err).NotTo(HaveOccurred())
	cl, err := client.New(cfg, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())

	return cl
}

var _ = Describe("Policies that cannot be looked up", func() {
	It("hold back a first key, which is reported and recovers", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		r.Policies = f.outsider()
		for range 3 {
			_, err := f.pass(r)
			Expect(err).To(HaveOccurred())
		}
		Expect(f.secret()).To(BeNil())
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(HaveField("Status", metav1.ConditionFalse),
			HaveField("Message", ContainSubstring("list APIKeyPolicies"))))
		Expect(f.failures()).To(HaveLen(1))
		f.settle()
		f.expectHealthy()
	})

	DescribeTable("do not hold back the end of a key", func(ctx context.Context, phase v1alpha1.Phase, end func(*fixture)) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		end(f)
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		r.Policies = f.outsider()
		_, err := f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		f.expectEnded(phase)
	},
		Entry("that is revoked", v1alpha1.PhaseRevoked, func(f *fixture) { f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }) }),
		Entry("that expires", v1alpha1.PhaseExpired, func(f *fixture) { f.advance(2 * time.Hour) }),
	)

	It("do not keep a key valid whose Secret was deleted", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.settle()
		old := f.value()
		Expect(admin.Delete(ctx, f.secret())).To(Succeed())
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		r.Policies = f.outsider()
		_, err := f.pass(r)
		Expect(err).To(HaveOccurred())
		Expect(f.accepts(old)).To(BeFalse())
		f.settle()
		f.expectHealthy()
	})
})

var _ = Describe("A read that fails", func() {
	DescribeTable("is reported and recovers", func(ctx context.Context, deprive func(*controller.Reconciler, client.Client), message string) {
		f := newFixture(ctx)
		f.create()
		r := f.reconciler(testkit.NewWire(testkit.Cut{}))
		deprive(r, f.outsider())
		for range 3 {
			_, err := f.pass(r)
			Expect(err).To(HaveOccurred())
		}
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Message", ContainSubstring(message))))
		Expect(f.failures()).To(HaveLen(1))
		f.settle()
		f.expectHealthy()
	},
		Entry("of the metadata of Secrets", func(r *controller.Reconciler, cl client.Client) { r.Metadata = cl }, "metadata of Secret"),
		Entry("of a Secret", func(r *controller.Reconciler, cl client.Client) { r.Secrets = cl }, "read Secret"),
	)
})

var _ = Describe("An APIKey that is deleted while it is worked on", func() {
	for write := 1; write <= 3; write++ {
		It("is no error", func(ctx context.Context) {
			f := newFixture(ctx)
			f.create()
			wire := testkit.NewWire(testkit.Cut{Write: write, Meanwhile: func() { Expect(admin.Delete(ctx, f.key())).To(Succeed()) }})
			_, err := f.pass(f.reconciler(wire))
			Expect(err).NotTo(HaveOccurred())
		})
	}
})

var _ = Describe("An operator whose requests fail", Serial, func() {
	It("lets a key expire at its time, and deletes its Secret within 30 seconds of the end of the failure", func(ctx context.Context) {
		f := newFixture(ctx)
		hook := startWebhook(f)
		startOperator(f)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "25s" })
		f.eventuallyHealthy()
		hook.set(answers500)
		f.rotate("now")
		expiresAt := f.key().Status.ExpiresAt.Time
		Eventually(func() *metav1.Condition { return condition(f.key(), v1alpha1.ConditionReady) }).WithTimeout(patience).
			Should(HaveField("Reason", v1alpha1.ReasonRequestFailed))
		Expect(time.Now()).To(BeTemporally("<", expiresAt), "the machine is too slow for this test")
		Eventually(func() v1alpha1.Phase { return f.key().Status.Phase }).WithTimeout(time.Until(expiresAt.Add(15*time.Second))).
			Should(Equal(v1alpha1.PhaseExpired), "at the expiry, although the rotation keeps failing")
		Expect(f.secret()).NotTo(BeNil())
		hook.set(allows)
		Eventually(f.secret).WithTimeout(30 * time.Second).Should(BeNil())
		Eventually(func() *metav1.Condition { return condition(f.key(), v1alpha1.ConditionReady) }).WithTimeout(patience).
			Should(HaveField("Reason", v1alpha1.ReasonExpired))
	})
})
