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
// Dropped events are counted; the status carries the same information.
const (
	routineEventsPerSecond = 1
	routineEventsBurst     = 25
)

// EventRecorder is the one method that is needed of an event recorder of events.k8s.io/v1.
type EventRecorder interface {
	// Eventf sends an event about an object.
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// Reporter emits events, logs and metrics for status changes.
type Reporter struct {
	recorder EventRecorder
	routine  *rate.Limiter
	metrics  metrics
}

// NewReporter makes a Reporter and registers its metrics. It returns an error if metrics of those names are registered already.
func NewReporter(recorder EventRecorder, registerer prometheus.Registerer) (*Reporter, error) {
	r := &Reporter{
		recorder: recorder,
		routine:  rate.NewLimiter(routineEventsPerSecond, routineEventsBurst),
		metrics:  newMetrics(),
	}

	return r, r.metrics.register(registerer)
}

// statusChanged tells about a status that was written.
func (r *Reporter) report(ctx context.Context, before, after *v1alpha1.APIKey, now time.Time) {
	log := ctrl.LoggerFrom(ctx)
	for _, e := range eventsOf(before, after) {
		log.Info(e.note, "reason", e.reason, "phase", after.Status.Phase)
		if e.routine && !r.routine.AllowN(now, 1) {
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

// recordsDropped tells about records that this operator has taken out of a status because somebody else had put them there.
func (r *Reporter) reportDropped(ctx context.Context, apikey *v1alpha1.APIKey, ids []string) {
	r.metrics.recordsDropped.Add(float64(len(ids)))
	note := fmt.Sprintf("status.keys held %s, which this operator had not put there and for which there is no key in the Secret: "+
		"the status was forged, or restored from a backup; dropped", strings.Join(ids, ", "))
	ctrl.LoggerFrom(ctx).Info(note, "reason", eventStatusModified)
	r.recorder.Eventf(apikey, nil, corev1.EventTypeWarning, eventStatusModified, actionCheck, "%s", note)
}

// logDispute names all APIKeys of a dispute in the log, which only administrators read. The event and the conditions name none
// of another namespace.
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

// cleared says whether a key has expired and its Secret is gone.
func cleared(apikey *v1alpha1.APIKey) bool {
	return apikey.Status.Phase == v1alpha1.PhaseExpired && apikey.Status.SecretRef == nil
}

// metrics are those of this package; labels never grow with the number of keys.
type metrics struct {
	minted        *prometheus.CounterVec
	eventsDropped prometheus.Counter
	// recordsDropped counts records that somebody else had written.
	recordsDropped prometheus.Counter
	expiryDelay    prometheus.Histogram
}

// newMetrics makes every series that there can be, so that a rate begins at 0 and not at the first event.
func newMetrics() metrics {
	m := metrics{
		minted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apikey_operator_keys_minted_total",
			Help: "Keys that were handed out, by what made them necessary: Created, Annotation, Schedule, SecretDeleted, SecretModified, Recovered.",
		}, []string{"trigger"}),
		eventsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_routine_events_dropped_total",
			Help: "Events about newly minted keys that were not sent because too many keys were minted at once.",
		}),
		recordsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_operator_status_records_dropped_total",
			Help: "Records in status.keys that somebody else than the operator had written, and that it dropped. Not 0: a status was forged or restored.",
		}),
		expiryDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "apikey_operator_expiry_delay_seconds",
			Help:    "How long after its expiry the Secret of a key was gone. Verifiers refuse the key at its expiry, whatever this says.",
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
	return errors.Join(registerer.Register(m.minted), registerer.Register(m.eventsDropped), registerer.Register(m.recordsDropped), registerer.Register(m.expiryDelay))
}
