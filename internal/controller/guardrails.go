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

// GuardrailMonitor knows whether the guardrails at the API server are in force. It compares them when one of them has changed. In between,
// a call of Missing costs two atomic loads.
type GuardrailMonitor struct {
	objects client.Reader
	whoAmI  func(context.Context) (string, error)
	log     logr.Logger
	inForce *prometheus.Desc

	events atomic.Uint64            // about guardrails since the start
	last   atomic.Pointer[snapshot] // of the guardrails

	mu       sync.Mutex
	username string // of this operator; empty: not asked yet
	// waiting are the APIKeys that are held back, each with what was missing at that time.
	waiting map[types.NamespacedName][]string
}

// snapshot is what was missing after a number of events.
type snapshot struct {
	events  uint64
	missing []string
}

// NewGuardrailMonitor returns a GuardrailMonitor. It reads policies and bindings from a cache whose events go to its Handler, asks the API
// server once for the username of this operator, and logs when the guardrails come into force and when they do not stay in force.
func NewGuardrailMonitor(objects client.Reader, whoAmI func(context.Context) (string, error), log logr.Logger) *GuardrailMonitor {
	return &GuardrailMonitor{
		objects: objects, whoAmI: whoAmI, log: log, waiting: map[types.NamespacedName][]string{},
		inForce: prometheus.NewDesc("apikey_operator_guardrails_in_force",
			"1 while every policy and binding that guards APIKeys at the API server is as this operator expects; 0: no key is minted.", nil, nil),
	}
}

// Missing returns a sentence for each guardrail that is not in force. It returns none where no guardrails are required.
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

// refresh compares the guardrails with the expected ones, unless that was done since the last event.
func (g *GuardrailMonitor) refresh(ctx context.Context) ([]string, error) {
	events := g.events.Load() // before the lists: an event in between asks for another refresh
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

// logChange logs that the guardrails came into force, or what is missing.
func (g *GuardrailMonitor) logChange(missing []string) {
	if len(missing) == 0 {
		g.log.Info("The guardrails are in force")

		return
	}
	g.log.Info("The guardrails are not in force: no key is minted", "missing", missing)
}

// await registers an APIKey that is held back, and reports whether the same is still missing: a change from before the registration has
// queued nothing.
func (g *GuardrailMonitor) await(ctx context.Context, name types.NamespacedName, missing []string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[name] = missing
	now, err := g.refresh(ctx)

	return err == nil && slices.Equal(now, missing)
}

// changed counts an event about a guardrail and returns the held-back APIKeys whose message has to change.
func (g *GuardrailMonitor) changed(ctx context.Context) []types.NamespacedName {
	g.events.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		return nil // the next mint refreshes
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

// forget drops the registration of a deleted APIKey.
func (g *GuardrailMonitor) forget(name types.NamespacedName) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, name)
}

// Handler queues the APIKeys that are held back when a guardrail changes.
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

// scrapeTimeout bounds a refresh during a scrape while the caches are not filled yet.
const scrapeTimeout = 500 * time.Millisecond

// Describe implements prometheus.Collector.
func (g *GuardrailMonitor) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- g.inForce }

// Collect sends whether the guardrails are in force, also while no key is due. It implements prometheus.Collector.
func (g *GuardrailMonitor) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	value := 0.0
	if missing, err := g.Missing(ctx); err == nil && len(missing) == 0 {
		value = 1
	}
	metrics <- prometheus.MustNewConstMetric(g.inForce, prometheus.GaugeValue, value)
}

// whoAmI returns a function that asks the API server for the username of a client.
func whoAmI(c client.Client) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		review := &authenticationv1.SelfSubjectReview{}
		err := c.Create(ctx, review)

		return review.Status.UserInfo.Username, asRefused(err, "", "say which user this operator is")
	}
}
