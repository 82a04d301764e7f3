// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// environments is the number of values of the label environment: the three environments, and none.
const environments = 4

// metrics counts decisions. Every series exists from the start, so that rates are right from the first decision on. A series is found by
// two small numbers, because a look-up by labels would take longer than the decision.
type metrics struct {
	decisions [access.Reasons][environments]prometheus.Counter
	duration  prometheus.Histogram
	stale     prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apikey_verifier_decisions_total",
		Help: "Decided requests by status code, reason and environment of the endpoint.",
	}, []string{"code", "reason", "environment"})
	m := &metrics{
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_verifier_decided_while_stale_total",
			Help: "Requests that were decided although the index was older than --max-staleness, because of --stale-action=pass.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "apikey_verifier_decision_duration_seconds",
			Help:    "Duration of decisions in the verifier, without the network.",
			Buckets: prometheus.ExponentialBuckets(0.000_001, 4, 10), // 1 µs to 0.26 s
		}),
	}
	for reason := range access.Reasons {
		for _, environment := range []v1alpha1.Environment{
			"", v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment,
		} {
			m.decisions[reason][number(environment)] =
				decisions.WithLabelValues(strconv.Itoa(reason.Code()), reason.String(), string(environment))
		}
	}

	return m, errors.Join(registerer.Register(decisions), registerer.Register(m.duration), registerer.Register(m.stale))
}

func (m *metrics) observe(reason access.Reason, environment v1alpha1.Environment, took time.Duration) {
	m.decisions[reason][number(environment)].Inc()
	m.duration.Observe(took.Seconds())
}

// number returns the index of an environment among the series.
func number(environment v1alpha1.Environment) int {
	switch environment {
	case v1alpha1.EnvironmentProduction:
		return 1
	case v1alpha1.EnvironmentStaging:
		return 2
	case v1alpha1.EnvironmentDevelopment:
		return 3
	default:
		return 0
	}
}
