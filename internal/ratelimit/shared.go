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

// DefaultTimeout bounds how long a request waits for the store, and how long the store may take to answer.
const DefaultTimeout = 100 * time.Millisecond

// Options configure a Shared. All are required, except where the zero value has a meaning.
type Options struct {
	// Clock measures the store and drives the replica's own buckets.
	Clock clock.WithTicker
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// Logger gets one line when the store stops answering and one when it answers again.
	Logger *slog.Logger
	// Timeout bounds how long one request waits for the store; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Shared keeps the buckets of all replicas in one Valkey or Redis (Redis 5 or newer), by the clock of that server. A bucket
// expires when it is full. A request must also fit into the replica's own bucket, which decides alone while the store does not
// answer. Shared is safe for concurrent use.
type Shared struct {
	store   *store
	local   *Memory
	timeout time.Duration
	clock   clock.PassiveClock
	waiters waiters
	metrics metrics
	running sync.WaitGroup
	stop    context.CancelFunc

	partitions []*partition
}

// NewShared returns a Shared with the store at a URL that parseURL accepts. It returns an error, which quotes nothing of the
// URL, if the URL is invalid or if a metric of the same name is registered already. It connects in the background, until Close.
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
	partitions := store.target.partitions()
	report := &availability{partitions: partitions, gauge: s.metrics.up, log: o.Logger.With("store", store.target.address)}
	for i := range partitions {
		s.partitions = append(s.partitions, &partition{
			health: health{availability: report}, store: store, local: s.local, clock: o.Clock,
			queue: newQueue(store.target.senders()), probeUID: probeUID(i, partitions), probeSoon: make(chan struct{}, 1),
		})
	}
	s.start()

	return s, nil
}

// start starts the goroutines that send and probe. Their number does not depend on the requests.
func (s *Shared) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	for _, p := range s.partitions {
		for range s.store.target.senders() {
			s.running.Go(func() { p.send(ctx) })
		}
		s.running.Go(func() { p.watch(ctx) })
	}
}

// Take takes one request from the limit of the APIKey with this uid, as Memory.Take does. It returns within the timeout,
// whatever the store does. It does not end earlier with the context: the request of a client that disconnects counts.
func (s *Shared) Take(ctx context.Context, uid string, limit access.Limit) access.Quota {
	if limit.IsZero() {
		return access.Quota{Granted: true}
	}
	p := s.partitions[partitionOf(uid, len(s.partitions))]
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

	return strictest(own, a.quota)
}

// strictest returns the quota of a request that must fit into two buckets.
func strictest(own, store access.Quota) access.Quota {
	return access.Quota{
		Granted:    own.Granted && store.Granted,
		Remaining:  min(own.Remaining, store.Remaining),
		RetryAfter: max(own.RetryAfter, store.RetryAfter),
		Reset:      max(own.Reset, store.Reset),
	}
}

// Run drops the replica's own buckets of idle keys, until the context ends.
func (s *Shared) Run(ctx context.Context) { s.local.Run(ctx) }

// Close closes the connections to the store. The replica's own buckets decide later requests.
func (s *Shared) Close() error {
	s.stop()
	for _, p := range s.partitions {
		p.state.Store(down)
	}
	err := s.store.client.Close()
	s.running.Wait()
	for _, p := range s.partitions {
		p.flush()
	}

	return err
}
