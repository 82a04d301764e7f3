// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// Events about newly minted keys are rate limited: each is a fourth API write beside the three of a mint.
// Dropped events are counted; status carries the same information.
const (
	mintEventsPerSecond = 1
	mintEventsBurst     = 25
)

// EventRecorder is the method of an events.k8s.io/v1 recorder that the controller uses.
type EventRecorder interface {
	// Eventf sends an event about an object.
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// Reporter emits events, logs and metrics for status changes.
type Reporter struct {
	recorder   EventRecorder
	mintEvents *rate.Limiter
	metrics    metrics
}

// NewReporter makes a Reporter and registers its metrics. It returns an error if metrics of those names are registered already.
func NewReporter(recorder EventRecorder, registerer prometheus.Registerer) (*Reporter, error) {
	r := &Reporter{
		recorder:   recorder,
		mintEvents: rate.NewLimiter(mintEventsPerSecond, mintEventsBurst),
		metrics:    newMetrics(),
	}

	return r, r.metrics.register(registerer)
}

// report compares the status before and after a successful write and emits what changed.
func (r *Reporter) report(ctx context.Context, before, after *v1alpha1.APIKey, now time.Time) {
	log := ctrl.LoggerFrom(ctx)
	for _, e := range eventsOf(before, after) {
		log.Info(e.note, "reason", e.reason, "phase", after.Status.Phase)
		if e.limited && !r.mintEvents.AllowN(now, 1) {
			r.metrics.eventsDropped.Inc()

			continue
		}
		r.recorder.Eventf(after, nil, e.kind, e.reason, e.action, "%s", e.note)
	}
	if last := after.Status.LastRotation; last != nil && rotated(before, after) {
		r.metrics.minted.WithLabelValues(string(last.Trigger)).Inc()
	}
	if cleared(after) && !cleared(before) && after.Status.ExpiresAt != nil {
		r.metrics.expiryDelay.Observe(now.Sub(after.Status.ExpiresAt.Time).Seconds())
	}
}

// reportDropped emits a Warning event about records that another writer had put into a status and that this operator has dropped.
func (r *Reporter) reportDropped(ctx context.Context, apikey *v1alpha1.APIKey, ids []string) {
	r.metrics.recordsDropped.Add(float64(len(ids)))
	note := fmt.Sprintf("Dropped %s from status.keys: this operator did not write these records, and the Secret does not account for them. "+
		"The status was forged, or restored from a backup", strings.Join(ids, ", "))
	ctrl.LoggerFrom(ctx).Info(note, "reason", eventStatusModified)
	r.recorder.Eventf(apikey, nil, corev1.EventTypeWarning, eventStatusModified, actionCheck, "%s", note)
}

// logDispute logs the names of all APIKeys of a dispute. Event and conditions leave out those of other namespaces, which only
// administrators may know.
func logDispute(ctx context.Context, disputes lifecycle.Disputes) {
	for _, digest := range slices.Sorted(maps.Keys(disputes)) {
		others := make([]string, 0, len(disputes[digest]))
		for _, name := range disputes[digest] {
			others = append(others, name.String())
		}
		ctrl.LoggerFrom(ctx).Info("Other APIKeys have a record of the same key", "reason", v1alpha1.ReasonDisputed,
			"key", digest[:min(len(digest), keys.IDLength)], "others", others)
	}
}

// cleared reports whether a key has expired and its Secret is deleted.
func cleared(apikey *v1alpha1.APIKey) bool {
	return apikey.Status.Phase == v1alpha1.PhaseExpired && apikey.Status.SecretRef == nil
}

// metrics are the metrics of this package. The number of their series does not depend on the number of keys.
type metrics struct {
	minted        *prometheus.CounterVec
	eventsDropped prometheus.Counter
	// recordsDropped counts records that another writer had put into a status.
	recordsDropped prometheus.Counter
	expiryDelay    prometheus.Histogram
}

// newMetrics returns the metrics with all their series, so that a rate starts at 0 and not at the first increment.
func newMetrics() metrics {
	m := metrics{
		minted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apikey_operator_keys_minted_total",
			Help: "Keys that were handed out, by trigger: Created, Annotation, Schedule, SecretDeleted, SecretModified, Recovered.",
		}, []string{"trigger"}),
		eventsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_routine_events_dropped_total",
			Help: "Events about newly minted keys that the rate limit has dropped.",
		}),
		recordsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_status_records_dropped_total",
			Help: "Records that the operator has dropped from status.keys because it had not written them. Not 0: a status was forged or restored.",
		}),
		expiryDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "apikey_operator_expiry_delay_seconds",
			Help:    "Time from the expiry of a key to the deletion of its Secret. Verifiers refuse the key from its expiry on.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 10),
		}),
	}
	for _, trigger := range []v1alpha1.RotationTrigger{
		v1alpha1.TriggerCreated, v1alpha1.TriggerAnnotation, v1alpha1.TriggerSchedule,
		v1alpha1.TriggerSecretDeleted, v1alpha1.TriggerSecretModified, v1alpha1.TriggerRecovered,
	} {
		m.minted.WithLabelValues(string(trigger))
	}

	return m
}

func (m metrics) register(registerer prometheus.Registerer) error {
	var errs []error
	for _, collector := range []prometheus.Collector{m.minted, m.eventsDropped, m.recordsDropped, m.expiryDelay} {
		errs = append(errs, registerer.Register(collector))
	}

	return errors.Join(errs...)
}
