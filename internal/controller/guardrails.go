// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,verbs=list;watch

// GuardrailMonitor knows whether the guardrails at the API server are in force. It looks when one of them has changed; whoever asks
// in between pays two loads from memory.
type GuardrailMonitor struct {
	objects client.Reader
	whoAmI  func(context.Context) (string, error)
	log     logr.Logger
	inForce *prometheus.Desc

	events atomic.Uint64 // about guardrails, so far
	last   atomic.Pointer[snapshot]

	mu       sync.Mutex
	username string // of this operator; empty: not asked yet
	// waiting are the APIKeys that are held back, each with what was missing then.
	waiting map[types.NamespacedName][]string
}

// look is what the gate saw after so many events.
type snapshot struct {
	events  uint64
	missing []string
}

// NewGuardrailMonitor makes a GuardrailMonitor. It reads policies and bindings from a cache whose events go to its Handler, asks once who this
// operator is, and logs when the guardrails come and go.
func NewGuardrailMonitor(objects client.Reader, whoAmI func(context.Context) (string, error), log logr.Logger) *GuardrailMonitor {
	return &GuardrailMonitor{
		objects: objects, whoAmI: whoAmI, log: log, waiting: map[types.NamespacedName][]string{},
		inForce: prometheus.NewDesc("apikey_operator_guardrails_in_force",
			"1 while every policy and binding that guards APIKeys at the API server is as this operator expects it; 0: no key is minted.", nil, nil),
	}
}

// Missing are the sentences that say what of the guardrails is not in force; none: all are, or none is required.
func (g *GuardrailMonitor) Missing(ctx context.Context) ([]string, error) {
	if g == nil {
		return nil, nil
	}
	if last := g.last.Load(); last != nil && last.events == g.events.Load() {
		return last.missing, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.refresh(ctx)
}

// look compares what there is with what there should be, unless somebody has since the last event.
func (g *GuardrailMonitor) refresh(ctx context.Context) ([]string, error) {
	events := g.events.Load() // before the look: an event during it asks for another
	last := g.last.Load()
	if last != nil && last.events == events {
		return last.missing, nil
	}
	if g.username == "" {
		username, err := g.whoAmI(ctx)
		if err != nil {
			return nil, err
		}
		g.username = username
	}
	policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
	if err := g.objects.List(ctx, policies, client.HasLabels{guardrails.Label}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the guardrails' policies: %w", err)
	}
	bindings := &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{}
	if err := g.objects.List(ctx, bindings, client.HasLabels{guardrails.Label}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the guardrails' bindings: %w", err)
	}
	missing := guardrails.Missing(g.username, policies.Items, bindings.Items)
	if last == nil || !slices.Equal(last.missing, missing) {
		g.logChange(missing)
	}
	g.last.Store(&snapshot{events: events, missing: missing})

	return missing, nil
}

// tell logs what has become of the guardrails.
func (g *GuardrailMonitor) logChange(missing []string) {
	if len(missing) == 0 {
		g.log.Info("The guardrails are in force")

		return
	}
	g.log.Info("The guardrails are not in force: no key is minted", "missing", missing)
}

// await notes that an APIKey is held back because of what is missing, and says whether that still is so:
// a change that came before the note queues nobody.
func (g *GuardrailMonitor) await(ctx context.Context, name types.NamespacedName, missing []string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[name] = missing
	now, err := g.refresh(ctx)

	return err == nil && slices.Equal(now, missing)
}

// changed notes an event about a guardrail and returns the APIKeys to which something else has to be said than before.
func (g *GuardrailMonitor) changed(ctx context.Context) []types.NamespacedName {
	g.events.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		return nil // the next mint looks
	}
	now, err := g.refresh(ctx)
	var names []types.NamespacedName
	for name, missing := range g.waiting {
		if err != nil || !slices.Equal(now, missing) {
			names = append(names, name)
			delete(g.waiting, name)
		}
	}

	return names
}

// forget drops the note about an APIKey that is gone.
func (g *GuardrailMonitor) forget(name types.NamespacedName) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, name)
}

// Handler queues the APIKeys that were held back, when a guardrail has changed.
func (g *GuardrailMonitor) Handler() handler.EventHandler {
	react := func(ctx context.Context, queue workQueue) {
		for _, name := range g.changed(ctx) {
			enqueue(queue, priorityBehind, reconcile.Request{NamespacedName: name})
		}
	}

	return handler.Funcs{
		CreateFunc: func(ctx context.Context, _ ctrlevent.CreateEvent, queue workQueue) { react(ctx, queue) },
		UpdateFunc: func(ctx context.Context, _ ctrlevent.UpdateEvent, queue workQueue) { react(ctx, queue) },
		DeleteFunc: func(ctx context.Context, _ ctrlevent.DeleteEvent, queue workQueue) { react(ctx, queue) },
	}
}

// scrapeTimeout bounds a look that a scrape asks for, while the caches are not filled yet.
const scrapeTimeout = 500 * time.Millisecond

// Describe implements prometheus.Collector.
func (g *GuardrailMonitor) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- g.inForce }

// Collect tells meters whether the guardrails are in force, also while no key is due. It implements prometheus.Collector.
func (g *GuardrailMonitor) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	value := 0.0
	if missing, err := g.Missing(ctx); err == nil && len(missing) == 0 {
		value = 1
	}
	metrics <- prometheus.MustNewConstMetric(g.inForce, prometheus.GaugeValue, value)
}

// whoAmI asks the API server who a client is to it.
func whoAmI(c client.Client) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		review := &authenticationv1.SelfSubjectReview{}
		err := c.Create(ctx, review)

		return review.Status.UserInfo.Username, asRefused(err, "", "tell who this operator is")
	}
}
