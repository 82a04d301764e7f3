// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// failuresInARow is how often a part of the store that has answered must fail before it is left alone: requests must not
// wait one by one for a store that is gone. What counts is what the store does: an answer, an error that it answers with,
// a connection that it refuses or breaks, no answer in time to what was sent. What happens on this side does not count:
// requests that wait in a queue, or whose clients go away.
const failuresInARow = 3

// The states of a part of the store.
const (
	unknown int32 = iota // it has not been asked yet; requests are sent to it
	up
	down // requests are decided here
)

// health is what is known of a part of the store.
type health struct {
	state atomic.Int32
	mu    sync.Mutex
	// failures is how many have come since the last answer.
	failures int
	outlook  *outlook
}

// usable says whether requests are to be sent.
func (h *health) usable() bool { return h.state.Load() != down }

// answered notes an answer.
func (h *health) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = 0
	h.move(up, "")
}

// failed notes a failure, and says whether the part is down because of it. A part that never answered needs only one.
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
		h.outlook.changed(from, to, why)
	}

	return from != to
}

// outlook reports on the store as a whole: it is up while all of its parts are.
type outlook struct {
	mu       sync.Mutex
	parts    int
	up, down int
	reported bool // that it is down
	gauge    prometheus.Gauge
	log      *slog.Logger
}

// changed notes that a part has moved from one state to another.
func (o *outlook) changed(from, to int32, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for state, count := range map[int32]*int{up: &o.up, down: &o.down} {
		if from == state {
			*count--
		}
		if to == state {
			*count++
		}
	}
	switch {
	case o.down > 0 && !o.reported:
		o.reported = true
		o.log.Warn("The rate limit store does not answer: this replica decides by itself, by what it knows of each key, until it does.", "error", why)
	case o.up == o.parts && o.reported:
		o.reported = false
		o.log.Info("The rate limit store answers again: all replicas share the limits.")
	}
	o.gauge.Set(0)
	if o.up == o.parts {
		o.gauge.Set(1)
	}
}
