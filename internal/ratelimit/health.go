// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// failuresInARow is the number of consecutive failures after which requests no longer wait for a partition that has answered
// before. Only the store can fail: by an error reply, a refused or broken connection, or no reply to a batch in time. Requests
// that wait in a queue too long, or whose clients disconnect, are no failures.
const failuresInARow = 3

// The states of a partition of the store.
const (
	unknown int32 = iota // not asked yet; requests are sent to it
	up
	down // this replica decides
)

// health is the state of a partition.
type health struct {
	state atomic.Int32
	mu    sync.Mutex
	// failures counts the failures since the last answer.
	failures     int
	availability *availability
}

// usable reports whether requests are sent to the partition.
func (h *health) usable() bool { return h.state.Load() != down }

// answered records an answer.
func (h *health) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = 0
	h.move(up, "")
}

// failed records a failure, and reports whether it took the partition down. A partition that never answered goes down at once.
func (h *health) failed(why string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures++
	if h.state.Load() == up && h.failures < failuresInARow {
		return false
	}

	return h.move(down, why)
}

func (h *health) move(to int32, why string) bool {
	from := h.state.Swap(to)
	if from != to {
		h.availability.changed(from, to, why)
	}

	return from != to
}

// availability reports the state of the whole store in a metric and the log. The store is up while all of its partitions are.
type availability struct {
	mu         sync.Mutex
	partitions int
	up, down   int
	outage     bool // logged
	gauge      prometheus.Gauge
	log        *slog.Logger
}

// changed records that a partition went from one state to another.
func (a *availability) changed(from, to int32, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for state, count := range map[int32]*int{up: &a.up, down: &a.down} {
		if from == state {
			*count--
		}
		if to == state {
			*count++
		}
	}
	switch {
	case a.down > 0 && !a.outage:
		a.outage = true
		a.log.Warn("The rate limit store does not answer: this replica decides by itself, by what it knows of each key, until it does.", "error", why)
	case a.up == a.partitions && a.outage:
		a.outage = false
		a.log.Info("The rate limit store answers again: all replicas share the limits.")
	}
	a.gauge.Set(0)
	if a.up == a.partitions {
		a.gauge.Set(1)
	}
}
