// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

// patience is how long a watch may take to deliver.
const patience = 20 * time.Second

// fixture is a namespace, what its watch has shown, and a clock that moves when it is told to.
type fixture struct {
	ctx       context.Context
	namespace string
	clock     *testclock.FakeClock
	seen      *watched
}

func newFixture(ctx context.Context) *fixture {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(admin.Create(ctx, ns)).To(Succeed())

	return &fixture{
		ctx: ctx, namespace: ns.Name, seen: watch(ctx, ns.Name),
		clock: testclock.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)),
	}
}

// create creates an APIKey and waits until the watch has shown it.
func (f *fixture) create(name string) *v1alpha1.APIKey {
	GinkgoHelper()
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	Expect(admin.Create(f.ctx, key)).To(Succeed())
	Eventually(func() bool { return f.seen.has(key) }).WithTimeout(patience).Should(BeTrue())

	return key
}

// lastUsedAt is what the status of an APIKey says; the zero time: nothing.
func (f *fixture) lastUsedAt(key *v1alpha1.APIKey) time.Time {
	GinkgoHelper()
	now := &v1alpha1.APIKey{}
	Expect(admin.Get(f.ctx, client.ObjectKeyFromObject(key), now)).To(Succeed())
	if now.Status.LastUsedAt == nil {
		return time.Time{}
	}

	return now.Status.LastUsedAt.UTC()
}

// othersUse writes the status as another replica would.
func (f *fixture) othersUse(key *v1alpha1.APIKey, at time.Time) {
	GinkgoHelper()
	now := &v1alpha1.APIKey{}
	Expect(admin.Get(f.ctx, client.ObjectKeyFromObject(key), now)).To(Succeed())
	now.Status.LastUsedAt = new(metav1.NewTime(at))
	Expect(admin.Status().Update(f.ctx, now)).To(Succeed())
}

// awaitWatch waits until the watch shows what the API server has.
func (f *fixture) awaitWatch(key *v1alpha1.APIKey) {
	GinkgoHelper()
	Eventually(func() time.Time { return f.seen.newest(key.UID) }).WithTimeout(patience).Should(BeTemporally("==", f.lastUsedAt(key)))
}

// replica is one verifier's Recorder with what it logs and measures, and its connection to the API server.
type replica struct {
	*usage.Recorder

	metrics *prometheus.Registry
	log     *bytes.Buffer
	wire    *testkit.Wire
	away    *atomic.Bool
}

// start makes a verifier that has just started, with the rights of one.
func (f *fixture) start(changes ...func(*usage.Options)) *replica {
	GinkgoHelper()

	return f.startAs(verifier, changes...)
}

func (f *fixture) startAs(user *rest.Config, changes ...func(*usage.Options)) *replica {
	GinkgoHelper()
	r := &replica{
		metrics: prometheus.NewRegistry(), log: &bytes.Buffer{},
		wire: testkit.NewWire(testkit.Cut{}), away: &atomic.Bool{},
	}
	cfg := r.wire.Attach(user)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &outage{away: r.away, next: next} })
	opts := usage.Options{
		Subjects: f.seen, Writer: usage.NewStatusWriter(restClient(cfg)), Clock: f.clock,
		Log: slog.New(slog.NewTextHandler(r.log, nil)), Registerer: r.metrics,
	}
	for _, change := range changes {
		change(&opts)
	}
	var err error
	r.Recorder, err = usage.New(opts)
	Expect(err).NotTo(HaveOccurred())

	return r
}

// use records that a key is used now.
func (f *fixture) use(r *replica, key *v1alpha1.APIKey) time.Time {
	at := f.clock.Now()
	r.Used(subjectOf(key), at)

	return at.UTC().Truncate(time.Second)
}

func subjectOf(key *v1alpha1.APIKey) *access.Subject {
	return &access.Subject{UID: string(key.UID), Namespace: key.Namespace, Name: key.Name}
}

// restClient makes a client for the API group of APIKeys.
func restClient(cfg *rest.Config) rest.Interface {
	GinkgoHelper()
	cl, err := keyindex.NewClient(cfg)
	Expect(err).NotTo(HaveOccurred())

	return cl
}

// outage is a connection that can be away and come back.
type outage struct {
	away *atomic.Bool
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (o *outage) RoundTrip(req *http.Request) (*http.Response, error) {
	if o.away.Load() {
		return nil, testkit.ErrWire
	}

	return o.next.RoundTrip(req)
}

// metric is the value of a metric, for the result if it has one.
func (r *replica) metric(name, result string) float64 {
	GinkgoHelper()
	families, err := r.metrics.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (result == "" || hasResult(m, result)) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	Fail("there is no metric " + name + " " + result)

	return 0
}

func hasResult(m *dto.Metric, result string) bool {
	return len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == result
}

func (r *replica) writes(result string) float64 {
	GinkgoHelper()

	return r.metric("apikey_verifier_last_used_writes_total", result)
}

func (r *replica) pending() float64 {
	GinkgoHelper()

	return r.metric("apikey_verifier_last_used_pending", "")
}

// watched is what a watch of APIKeys has shown: all that lastUsedAt has ever been.
type watched struct {
	mu      sync.Mutex
	history map[types.UID][]time.Time
	gone    map[types.UID]bool
}

// watch watches a namespace until the spec ends.
func watch(ctx context.Context, namespace string) *watched {
	GinkgoHelper()
	stream, err := admin.Watch(ctx, &v1alpha1.APIKeyList{}, client.InNamespace(namespace))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(stream.Stop)
	w := &watched{history: map[types.UID][]time.Time{}, gone: map[types.UID]bool{}}
	go func() {
		for e := range stream.ResultChan() {
			if key, ok := e.Object.(*v1alpha1.APIKey); ok {
				w.note(key, e.Type == "DELETED")
			}
		}
	}()

	return w
}

func (w *watched) note(key *v1alpha1.APIKey, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[key.UID] = gone
	var at time.Time
	if key.Status.LastUsedAt != nil {
		at = key.Status.LastUsedAt.UTC()
	}
	if all := w.history[key.UID]; len(all) == 0 || !all[len(all)-1].Equal(at) {
		w.history[key.UID] = append(all, at)
	}
}

// Subject implements usage.Subjects.
func (w *watched) Subject(_, _, uid string) *access.Subject {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.history[types.UID(uid)]
	if len(all) == 0 || w.gone[types.UID(uid)] {
		return nil
	}
	subject := &access.Subject{UID: uid}
	if at := all[len(all)-1]; !at.IsZero() {
		subject.LastUsedAt = at.Unix()
	}

	return subject
}

// has returns whether the watch shows an APIKey.
func (w *watched) has(key *v1alpha1.APIKey) bool { return w.Subject("", "", string(key.UID)) != nil }

// newest returns the last value of lastUsedAt that the watch has shown; the zero time: none.
func (w *watched) newest(uid types.UID) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if all := w.history[uid]; len(all) > 0 {
		return all[len(all)-1]
	}

	return time.Time{}
}

// values are all that lastUsedAt has ever been.
func (w *watched) values(uid types.UID) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()

	return append([]time.Time(nil), w.history[uid]...)
}
