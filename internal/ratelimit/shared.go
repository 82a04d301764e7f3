// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// DefaultTimeout is how long a request waits for the store at most, and how long the store has for an answer.
const DefaultTimeout = 100 * time.Millisecond

// Options are what Shared needs.
type Options struct {
	// Clock measures the store and drives the replica's own buckets.
	Clock clock.WithTicker
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// Logger is told when the store goes and comes, once each time.
	Logger *slog.Logger
	// Timeout is how long one request waits for the store; 0: DefaultTimeout.
	Timeout time.Duration
}

// Shared keeps the buckets of all replicas in one Valkey or Redis (Redis 5 or newer), by that server's clock. A bucket
// expires by itself when it is full. A request must fit into the replica's own bucket, too, which decides alone while the
// store does not. It is safe for concurrent use.
type Shared struct {
	store   *store
	local   *Memory
	parts   []*partition
	timeout time.Duration
	clock   clock.PassiveClock
	waiters waiters
	metrics metrics
	running sync.WaitGroup
	stop    context.CancelFunc
}

// NewShared makes a Shared of the store at a URL: see parseURL. It fails when the URL is none of those, in words that quote
// nothing of it, and when there are metrics of its names already. It connects in the background, until Close.
func NewShared(url string, o Options) (*Shared, error) {
	timeout := cmp.Or(o.Timeout, DefaultTimeout)
	store, err := openStore(url, timeout)
	if err != nil {
		return nil, fmt.Errorf("the URL of the store: %w", err)
	}
	s := &Shared{store: store, timeout: timeout, clock: o.Clock, waiters: waiters{clock: o.Clock}, metrics: newMetrics()}
	if s.local, err = NewMemory(o.Clock, o.Registerer); err != nil {
		return nil, err
	}
	if err := s.metrics.register(o.Registerer); err != nil {
		return nil, err
	}
	outlook := &outlook{parts: store.target.parts(), gauge: s.metrics.up, log: o.Logger.With("store", store.target.address)}
	for i := range store.target.parts() {
		s.parts = append(s.parts, &partition{
			health: health{outlook: outlook}, store: store, local: s.local, clock: o.Clock,
			queue: newQueue(store.target.senders()), probeUID: probeUID(i, store.target.parts()), doubt: make(chan struct{}, 1),
		})
	}
	s.start()

	return s, nil
}

// start starts what works in the background. How much that is does not depend on the requests.
func (s *Shared) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	for _, p := range s.parts {
		for range s.store.target.senders() {
			s.running.Go(func() { p.send(ctx) })
		}
		s.running.Go(func() { p.watch(ctx) })
	}
}

// Take asks for one request of the key whose APIKey has this uid, as Memory.Take does. It answers within the time-out,
// whatever the store does, and does not end earlier when the context does: a client that goes away has made its request.
func (s *Shared) Take(ctx context.Context, uid string, limit access.Limit) access.Quota {
	if limit.IsZero() {
		return access.Quota{Granted: true}
	}
	p := s.parts[partOf(uid, len(s.parts))]
	if !p.usable() {
		s.metrics.fallbacks.Inc()

		return s.local.Take(ctx, uid, limit)
	}
	b, own := s.local.reserve(uid, limit)
	if !own.Granted && !b.carried.Load() {
		return own // the store's bucket is never fuller than this one
	}
	w := s.waiters.get(s.timeout, own.Granted)
	start := s.clock.Now()
	if !p.queue.add(uid, limit, b, own.Granted, w) {
		s.metrics.fallbacks.Inc()

		return own
	}
	a, ok := s.waiters.await(w)
	s.metrics.duration.Observe(s.clock.Since(start).Seconds())
	if !ok || a.err != nil {
		s.metrics.fallbacks.Inc()

		return own
	}

	return both(own, a.quota)
}

// both is what two buckets have left for a request that must fit into both.
func both(own, store access.Quota) access.Quota {
	return access.Quota{
		Granted:    own.Granted && store.Granted,
		Remaining:  min(own.Remaining, store.Remaining),
		RetryAfter: max(own.RetryAfter, store.RetryAfter),
		Reset:      max(own.Reset, store.Reset),
	}
}

// Run drops the replica's own buckets of idle keys, until the context ends.
func (s *Shared) Run(ctx context.Context) { s.local.Run(ctx) }

// Close closes the connections to the store. Requests that come later are decided by the replica's own buckets.
func (s *Shared) Close() error {
	s.stop()
	for _, p := range s.parts {
		p.state.Store(down)
	}
	err := s.store.client.Close()
	s.running.Wait()
	for _, p := range s.parts {
		p.flush()
	}

	return err
}
