// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

// Health knows which watches deliver changes. It is a prometheus.Collector.
type Health struct {
	clock clock.WithTicker
	log   *slog.Logger
	desc  *prometheus.Desc

	mu      sync.Mutex
	watches []*watchState
}

// watchState is the state of one watch. Health.mu guards it.
type watchState struct {
	resource string
	up       bool
	// since is when the watch broke, or when it was made.
	since time.Time
	// reported is true once the log says that the watch is broken.
	reported bool
}

// NewHealth returns a Health without watches.
func NewHealth(c clock.WithTicker, log *slog.Logger) *Health {
	return &Health{clock: c, log: log, desc: prometheus.NewDesc("apikey_operator_watch_up",
		"1 while every watch of this resource is open; 0 while changes are missed. An API server whose etcd hangs keeps watches open.",
		[]string{"resource"}, nil)}
}

// add adds a watch, which is not up yet.
func (h *Health) add(resource string) *watchState {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &watchState{resource: resource, since: h.clock.Now()}
	h.watches = append(h.watches, s)

	return s
}

// opened notes that a watch delivers changes, if that still holds, and reports whether it does.
func (h *Health) opened(s *watchState, holds func() bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !holds() {
		return false
	}
	if s.reported {
		h.log.Info("The watch delivers changes again.", "resource", s.resource, "after", h.clock.Since(s.since).String())
	}
	s.up, s.reported = true, false

	return true
}

// broke notes that a watch has ended or could not be opened, and reports whether it was up. It logs the first error of each time that a
// watch is broken.
func (h *Health) broke(s *watchState, err error) (wasUp bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wasUp = s.up
	if s.up {
		s.up, s.since = false, h.clock.Now()
	}
	if err != nil && !s.reported {
		s.reported = true
		h.log.Warn("The watch is broken: changes are missed until the API server answers.", "resource", s.resource, "error", err)
	}

	return wasUp
}

// upByResource returns whether all watches of each resource are up.
func (h *Health) upByResource() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	up := map[string]bool{}
	for _, s := range h.watches {
		others, known := up[s.resource]
		up[s.resource] = s.up && (others || !known)
	}

	return up
}

// Check returns an error that names the resources whose watches are broken.
func (h *Health) Check() error {
	var broken []string
	for resource, up := range h.upByResource() {
		if !up {
			broken = append(broken, resource)
		}
	}
	if len(broken) == 0 {
		return nil
	}
	slices.Sort(broken)

	return fmt.Errorf("the watches of %s are broken: the API server does not answer or refuses them; see the log", strings.Join(broken, ", "))
}

// Describe implements prometheus.Collector.
func (h *Health) Describe(to chan<- *prometheus.Desc) { to <- h.desc }

// Collect implements prometheus.Collector.
func (h *Health) Collect(to chan<- prometheus.Metric) {
	for resource, up := range h.upByResource() {
		value := 0.0
		if up {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(h.desc, prometheus.GaugeValue, value, resource)
	}
}
