// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of this package. Their labels do not depend on APIKeys.
type metrics struct {
	writes  *prometheus.CounterVec
	pending prometheus.Gauge
}

func newMetrics() metrics {
	m := metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apikey_verifier_last_used_writes_total",
			Help: "Writes of status.lastUsedAt, by result: written, refused (another replica was first), gone, forbidden, failed.",
		}, []string{"result"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "apikey_verifier_last_used_pending",
			Help: "APIKeys whose newest use is not in their status yet, because of the 5 minutes between writes, the budget, or an error.",
		}),
	}
	for _, result := range results() {
		m.writes.WithLabelValues(string(result)) // a rate needs a series that begins at 0
	}

	return m
}

func (m metrics) register(registerer prometheus.Registerer) error {
	return errors.Join(registerer.Register(m.writes), registerer.Register(m.pending))
}
