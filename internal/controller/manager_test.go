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
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// patience is how long an operator that runs by itself may take to do what it should.
const patience = 30 * time.Second

// operator is the whole operator, as cmd/main.go puts it together, with its caches and its queue.
type operator struct {
	wire *testkit.Wire
	stop func()
	// guarded lets it mint only while the guardrails are in force.
	guarded bool
	// grace is how long orphans stay; 0: as long as in production.
	grace   time.Duration
	metrics *prometheus.Registry
}

// inForce is what the operator's metrics say of the guardrails; nil: nothing.
func (o *operator) inForce() *float64 {
	GinkgoHelper()
	families, err := o.metrics.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() == "apikey_operator_guardrails_in_force" {
			return family.GetMetric()[0].GetGauge().Value
		}
	}

	return nil
}

// startOperator runs an operator for the namespace of a fixture until it is stopped, or the spec ends.
func startOperator(f *fixture, changes ...func(*ctrl.Options)) *operator {
	GinkgoHelper()
	o := &operator{wire: testkit.NewWire(testkit.Cut{})}
	o.start(plane.Config, f, changes...)

	return o
}

// start starts the operator with the rights of a user.
func (o *operator) start(cfg *rest.Config, f *fixture, changes ...func(*ctrl.Options)) {
	GinkgoHelper()
	opts := ctrl.Options{
		Scheme: testkit.Scheme(), Cache: controller.CacheOptions(), Client: controller.ClientOptions(),
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Controller:             config.Controller{SkipNameValidation: new(true)}, // several operators in one process
	}
	opts.Cache.DefaultNamespaces = map[string]cache.Config{f.name.Namespace: {}} // not those of other specs
	for _, change := range changes {
		change(&opts)
	}
	mgr, err := ctrl.NewManager(o.wire.Attach(cfg), opts)
	Expect(err).NotTo(HaveOccurred())
	o.metrics = metricsOfSpecs()
	Expect(controller.Setup(mgr, controller.Options{
		Concurrency: 8, Clock: clock.RealClock{}, Registerer: o.metrics, RequireGuardrails: o.guarded, OrphanGrace: o.grace,
	})).To(Succeed())

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- mgr.Start(ctx) }()
	o.stop = func() {
		cancel()
		if err, running := <-done; running {
			Expect(err).NotTo(HaveOccurred())
			close(done)
		}
	}
	DeferCleanup(func() { o.stop() })
}

// registries are those of the operators that specs have started.
var registries prometheus.Gatherers

func metricsOfSpecs() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registries = append(registries, registry)

	return registry
}

// reconciles is how many passes operators in this process have made so far, and whether one is under way or due.
func reconciles() (passes float64, idle bool) {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	idle = true
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case "controller_runtime_reconcile_total":
				passes += m.GetCounter().GetValue()
			case "controller_runtime_active_workers":
				idle = idle && m.GetGauge().GetValue() == 0
			case "workqueue_depth":
				idle = idle && m.GetGauge().GetValue() == 0
			}
		}
	}

	return passes, idle
}

// afterPasses waits until operators have made at least some more passes and have nothing left to do.
func afterPasses(atLeast float64, act func()) {
	GinkgoHelper()
	before, _ := reconciles()
	act()
	Eventually(func() error {
		passes, idle := reconciles()
		if passes < before+atLeast || !idle {
			return fmt.Errorf("%.0f passes, idle %t; waiting for %.0f", passes-before, idle, atLeast)
		}

		return nil
	}).WithTimeout(patience).Should(Succeed())
}

// eventuallyHealthy waits for a running operator to bring the key to where it works.
func (f *fixture) eventuallyHealthy(and ...func(*v1alpha1.APIKey) bool) {
	GinkgoHelper()
	Eventually(func() error {
		apikey := f.key()
		if apikey.Status.Phase != v1alpha1.PhaseActive || len(recordsIn(apikey, v1alpha1.KeyPending)) > 0 ||
			apikey.Status.ObservedGeneration != apikey.Generation {
			return fmt.Errorf("status is %+v", apikey.Status)
		}
		for _, holds := range and {
			if !holds(apikey) {
				return errors.New("not yet")
			}
		}

		return nil
	}).WithTimeout(patience).Should(Succeed())
	f.expectHealthy()
}

var _ = Describe("A running operator", Serial, func() {
	It("mints with one GET and three writes, and then rests", func(ctx context.Context) {
		f := newFixture(ctx)
		o := startOperator(f)
		f.create()
		f.eventuallyHealthy()
		afterPasses(0, func() {})
		Expect(withoutLists(o.wire.Calls())).To(Equal([]string{"GET secrets", "PUT apikeys/status", "POST secrets", "PUT apikeys/status"}))
	})

	It("writes nothing on re-apply, label change, resync and restart, and reads each key once after a restart", func(ctx context.Context) {
		const settled = 10
		fixtures := newFixtures(ctx, settled)
		o := startOperator(fixtures[0])
		for i := range fixtures {
			fixtures[i].create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1000h" })
		}
		for _, f := range fixtures {
			f.eventuallyHealthy()
		}
		f := fixtures[0]
		afterPasses(0, func() {})
		o.wire.Reset()

		By("applying the same again")
		Expect(admin.Update(ctx, f.key())).To(Succeed())
		By("changing a label")
		f.edit(func(k *v1alpha1.APIKey) { metav1.SetMetaDataLabel(&k.ObjectMeta, "team", "web") })
		By("changing the display name, which sets off the next pass")
		afterPasses(1, func() { f.edit(func(k *v1alpha1.APIKey) { k.Spec.DisplayName = "Main Website Integration" }) })
		Expect(f.key().Status.ObservedGeneration).To(Equal(f.key().Generation))
		Expect(o.wire.Calls()).To(Equal([]string{"GET secrets", "PUT apikeys/status"}), "the generation is observed, the Secret untouched")
		o.stop()

		By("starting anew, with a resync every second")
		afterPasses(3*settled, func() {
			o = startOperator(f, func(opts *ctrl.Options) { opts.Cache.SyncPeriod = new(time.Second) })
		})
		Expect(o.wire.Writes()).To(BeEmpty())
		Eventually(func() []string { return withoutLists(o.wire.Calls()) }).WithTimeout(patience).
			Should(Equal(slices.Repeat([]string{"GET secrets"}, settled)), "each Secret is read once, to check the status")
		afterPasses(3*settled, func() {})
		Expect(withoutLists(o.wire.Calls())).To(HaveLen(settled))
	})

	It("backs off when it is refused, and does not spin on its own reports", func(ctx context.Context) {
		f := newFixture(ctx)
		o := &operator{wire: testkit.NewWire(testkit.Cut{})}
		f.allow("weak-operator", true, "get", "list", "watch")
		cfg, err := plane.User("weak-operator")
		Expect(err).NotTo(HaveOccurred())
		started := time.Now()
		o.start(cfg, f)
		f.create()
		const attempts = 7 // with 100, 200, 400, 800, 1600 and 3200 ms between them
		Eventually(func() int { return countOf(o.wire.Calls(), "POST secrets") }).WithTimeout(patience).Should(BeNumerically(">=", attempts))
		Expect(time.Since(started)).To(BeNumerically(">", 6*time.Second))
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonRequestRefused))
	})

	It("ends a key at its expiry", func(ctx context.Context) {
		f := newFixture(ctx)
		startOperator(f)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "2s" })
		Eventually(func() v1alpha1.Phase { return f.key().Status.Phase }).WithTimeout(patience).Should(Equal(v1alpha1.PhaseExpired))
		Expect(f.secret()).To(BeNil())
	})

	It("mints another key as soon as the Secret is deleted, also right after it was made", func(ctx context.Context) {
		f := newFixture(ctx)
		startOperator(f)
		f.create()
		for range 3 {
			f.eventuallyHealthy()
			uid := f.secret().UID
			Expect(admin.Delete(ctx, f.secret())).To(Succeed())
			f.eventuallyHealthy(func(k *v1alpha1.APIKey) bool { return k.Status.SecretRef.UID != uid })
		}
	})

	It("never holds the content of a Secret in its cache", func(ctx context.Context) {
		var cached client.Reader
		f := newFixture(ctx)
		startOperator(f, func(opts *ctrl.Options) {
			opts.NewClient = func(cfg *rest.Config, o client.Options) (client.Client, error) {
				cached = o.Cache.Reader

				return client.New(cfg, o)
			}
		})
		f.create()
		f.eventuallyHealthy()
		meta := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		Expect(cached.Get(ctx, f.name, meta)).To(Succeed())
		Expect(meta.ManagedFields).To(BeEmpty())
		apikey := &v1alpha1.APIKey{}
		Expect(cached.Get(ctx, f.name, apikey)).To(Succeed())
		Expect(apikey.ManagedFields).To(BeEmpty())
		other := f.foreignNamed("other", corev1.SecretTypeOpaque)
		later := &fixture{ctx: ctx, clock: f.clock, name: client.ObjectKey{Namespace: f.name.Namespace, Name: "later"}}
		later.create()
		later.eventuallyHealthy()
		Eventually(func() error { return cached.Get(ctx, later.name, meta) }).WithTimeout(patience).
			Should(Succeed(), "the watch has come past the other Secret")
		Expect(cached.Get(ctx, client.ObjectKeyFromObject(other), meta)).NotTo(Succeed(), "Secrets of other types are not watched")
	})
})

var _ = Describe("Two operators without leader election", Serial, func() {
	It("hand out one key for each rotation", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 20)
		startOperator(fixtures[0])
		startOperator(fixtures[0])
		for _, f := range fixtures {
			f.create()
		}
		for round := 1; round <= 3; round++ {
			for _, f := range fixtures {
				f.eventuallyHealthy(func(k *v1alpha1.APIKey) bool {
					return round == 1 || k.Status.LastRotation.Value == fmt.Sprint(round-1)
				})
				Expect(f.handedOut()).To(HaveLen(round))
				f.rotate(fmt.Sprint(round))
			}
		}
	})

	It("come to rest at the last of 20 rotations that are asked for at once", func(ctx context.Context) {
		f := newFixture(ctx)
		startOperator(f)
		startOperator(f)
		f.create()
		f.eventuallyHealthy()
		for i := range 20 {
			f.rotate(fmt.Sprint(i))
		}
		f.eventuallyHealthy(func(k *v1alpha1.APIKey) bool { return k.Status.LastRotation.Value == "19" })
		Expect(len(f.handedOut())).To(BeNumerically("<=", 21))
	})
})

func countOf(calls []string, call string) int {
	return len(calls) - len(slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return c == call }))
}

// withoutLists are the calls but those that fill the caches.
func withoutLists(calls []string) []string {
	var rest []string
	for _, call := range calls {
		if call != "LIST apikeys" && call != "LIST secrets" {
			rest = append(rest, call)
		}
	}

	return rest
}
