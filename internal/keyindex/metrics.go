// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

type metrics struct {
	clock     clock.PassiveClock
	lastEvent prometheus.Gauge
	disputed  prometheus.Gauge
	watchUp   *prometheus.GaugeVec
}

func newMetrics(registerer prometheus.Registerer, clock clock.PassiveClock, size func() int) (*metrics, error) {
	const prefix = "apikey_verifier_index_"
	m := &metrics{
		clock: clock,
		lastEvent: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "last_event_timestamp_seconds",
			Help: "When the API server last said anything about APIKeys or roles. It does at least every few minutes, also when nothing changes.",
		}),
		disputed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "disputed_keys", Help: "Keys that are refused because more than one APIKey claims them. Other than 0: somebody has forged a status.",
		}),
		watchUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: prefix + "watch_up", Help: "1 while the API server answers the watch of this resource, 0 while it does not and the index may be out of date.",
		}, []string{"resource"}),
	}
	known := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "keys", Help: "Keys that have a record, also those that are refused because they have ended.",
	}, func() float64 { return float64(size()) })
	for _, resource := range []string{apiKeysResource, rolesResource} {
		m.watchUp.WithLabelValues(resource) // 0 until its first watch
	}

	return m, errors.Join(registerer.Register(known), registerer.Register(m.lastEvent),
		registerer.Register(m.disputed), registerer.Register(m.watchUp))
}

func (m *metrics) event() { m.lastEvent.Set(float64(m.clock.Now().UnixMilli()) / 1000) }
