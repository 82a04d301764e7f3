// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of Shared.
type metrics struct {
	up        prometheus.Gauge
	duration  prometheus.Histogram
	fallbacks prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{ // 0 until the first answer
			Name: "apikey_verifier_rate_limit_store_up",
			Help: "Whether the replicas share rate limits: 1 while the store answers, 0 before its first answer, and from three failures in a row until " +
				"it answers again.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "apikey_verifier_rate_limit_store_duration_seconds",
			Help:    "How long requests waited for the rate limit store, with or without an answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 13), // 0.1 ms to 0.4 s, around the time-out
		}),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_verifier_rate_limit_fallback_total",
			Help: "Requests whose rate limit this replica decided by itself because the store did not answer in time.",
		}),
	}
}

func (m metrics) register(registerer prometheus.Registerer) error {
	return errors.Join(registerer.Register(m.up), registerer.Register(m.duration), registerer.Register(m.fallbacks))
}
