// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// DefaultTimeout is how long a request waits for the store.
const DefaultTimeout = 10 * time.Millisecond

// A store that fails this often in a row is left alone for that long, then asked with one request whether it is back:
// requests must not wait one by one for a store that is gone.
const (
	failuresInARow = 3
	leaveAlone     = time.Second
)

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
// expires by itself when it is full. While the store does not answer, the replica's own buckets decide.
// It is safe for concurrent use.
type Shared struct {
	store   *store
	local   *Memory
	breaker *gobreaker.CircuitBreaker[access.Quota]
	clock   clock.PassiveClock
	log     *slog.Logger
	metrics metrics
	failure atomic.Pointer[string] // the last one, for the log
}

// NewShared makes a Shared of the store at a URL: redis://[user:password@]host[:port][/database], the same with rediss://
// for TLS, or unix://[user:password@]/path[?db=database]. It fails when the URL is none of these, in words that quote
// nothing of it, and when there are metrics of its names already. It connects with the first request.
func NewShared(url string, o Options) (*Shared, error) {
	store, err := openStore(url, cmp.Or(o.Timeout, DefaultTimeout))
	if err != nil {
		return nil, fmt.Errorf("the URL of the store: %w", err)
	}
	s := &Shared{store: store, clock: o.Clock, log: o.Logger.With("store", store.address), metrics: newMetrics()}
	s.breaker = gobreaker.NewCircuitBreaker[access.Quota](gobreaker.Settings{
		Timeout:       leaveAlone,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresInARow },
		OnStateChange: func(_ string, from, to gobreaker.State) { s.changed(from, to) },
	})
	if s.local, err = NewMemory(o.Clock, o.Registerer); err != nil {
		return nil, err
	}

	return s, s.metrics.register(o.Registerer)
}

// Take asks for one request of the key whose APIKey has this uid, as Memory.Take does. It answers within the time-out,
// whatever the store does.
func (s *Shared) Take(ctx context.Context, uid string, limit access.Limit) access.Quota {
	if limit.IsZero() {
		return access.Quota{Granted: true}
	}
	quota, err := s.breaker.Execute(func() (access.Quota, error) { return s.ask(ctx, uid, limit) })
	if err != nil {
		s.metrics.fallbacks.Inc()

		return s.local.Take(ctx, uid, limit)
	}

	return quota
}

// Run drops the replica's own buckets of idle keys, until the context ends.
func (s *Shared) Run(ctx context.Context) { s.local.Run(ctx) }

// Close closes the connections to the store. Requests that come later are decided by the replica's own buckets.
func (s *Shared) Close() error { return s.store.client.Close() }

// ask asks the store, and remembers why that failed.
func (s *Shared) ask(ctx context.Context, uid string, limit access.Limit) (access.Quota, error) {
	start := s.clock.Now()
	quota, err := s.store.take(ctx, uid, limit)
	s.metrics.duration.Observe(s.clock.Since(start).Seconds())
	if err != nil {
		s.failure.Store(new(s.store.explain(err)))
	}

	return quota, err
}

// changed tells that the store is gone or back. The breaker lets one change in at a time, and its attempts in between,
// from open to half-open and back, are no news.
func (s *Shared) changed(from, to gobreaker.State) {
	switch {
	case from == gobreaker.StateClosed:
		s.metrics.up.Set(0)
		s.log.Warn("The rate limit store does not answer: this replica grants every limit by itself until it does.", "error", *s.failure.Load())
	case to == gobreaker.StateClosed:
		s.metrics.up.Set(1)
		s.log.Info("The rate limit store answers again: all replicas share the limits.")
	}
}
