// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"errors"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

type metrics struct {
	clock     clock.PassiveClock
	lastEvent prometheus.Gauge
	disputed  prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer, clock clock.PassiveClock, size func() int, progress []*progress) (*metrics, error) {
	const prefix = "apikey_verifier_index_"
	m := &metrics{
		clock: clock,
		lastEvent: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "last_event_timestamp_seconds",
			Help: "When the API server last delivered an event or a bookmark. It does so from its cache also while etcd hangs: see staleness_seconds.",
		}),
		disputed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "disputed_keys", Help: "Keys that are refused because several APIKeys have a record of them. Above 0: a status was forged.",
		}),
	}
	count := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "keys", Help: "Records of keys, including those of keys that are refused.",
	}, func() float64 { return float64(size()) })

	return m, errors.Join(registerer.Register(count), registerer.Register(m.lastEvent),
		registerer.Register(m.disputed), registerer.Register(newFreshnessCollector(prefix, clock, progress)))
}

func (m *metrics) event() { m.lastEvent.Set(float64(m.clock.Now().UnixMilli()) / 1000) }

// freshnessCollector collects how fresh each resource is at the moment of a scrape.
type freshnessCollector struct {
	clock         clock.PassiveClock
	progress      []*progress
	up, staleness *prometheus.Desc
}

func newFreshnessCollector(prefix string, clock clock.PassiveClock, progress []*progress) *freshnessCollector {
	labels := []string{"resource"}

	return &freshnessCollector{
		clock: clock, progress: progress,
		up: prometheus.NewDesc(prefix+"watch_up",
			"1 while every watch of this resource delivers everything that etcd has, by a consistent read every few seconds; 0 while changes may be missed.",
			labels, nil),
		staleness: prometheus.NewDesc(prefix+"staleness_seconds",
			"For how long changes of this resource may have been missed. Up to about 11 while all is well; +Inf until everything was read once.",
			labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *freshnessCollector) Describe(to chan<- *prometheus.Desc) { to <- c.up; to <- c.staleness }

// Collect implements prometheus.Collector.
func (c *freshnessCollector) Collect(to chan<- prometheus.Metric) {
	now := c.clock.Now()
	up, staleness := map[string]float64{}, map[string]float64{}
	for _, p := range c.progress { // of several watches of one resource, the worst counts
		if _, ok := up[p.resource]; !ok {
			up[p.resource] = 1
		}
		if !p.up(now) {
			up[p.resource] = 0
		}
		age := math.Inf(1)
		if known := p.age(now); known != unknownAge {
			age = known.Seconds()
		}
		staleness[p.resource] = max(staleness[p.resource], age)
	}
	for resource := range up {
		to <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, up[resource], resource)
		to <- prometheus.MustNewConstMetric(c.staleness, prometheus.GaugeValue, staleness[resource], resource)
	}
}
