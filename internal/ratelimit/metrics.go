// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of Shared.
type metrics struct {
	up        prometheus.Gauge
	duration  prometheus.Histogram
	fallbacks prometheus.Counter
}

func newMetrics() metrics {
	m := metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "apikey_verifier_rate_limit_store_up",
			Help: "Whether the replicas share rate limits: 0 from three failures of the store in a row until it answers again, else 1.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "apikey_verifier_rate_limit_store_duration_seconds",
			Help:    "How long requests waited for the rate limit store, also in vain.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 8), // 0.1 ms to 12.8 ms, around the time-out
		}),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apikey_verifier_rate_limit_fallback_total",
			Help: "Requests whose rate limit this replica decided by itself because the store did not answer.",
		}),
	}
	m.up.Set(1) // until it is known better: it is asked with the first request

	return m
}

func (m metrics) register(registerer prometheus.Registerer) error {
	return errors.Join(registerer.Register(m.up), registerer.Register(m.duration), registerer.Register(m.fallbacks))
}
