// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/puzpuzpuz/xsync/v4"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// sweepInterval is how often full buckets are dropped. Memory holds the keys that were used since, and those whose
// buckets are not full yet.
const sweepInterval = time.Minute

// sealed stands in a bucket that has left the map: whoever still holds it must get the one that came after.
const sealed = math.MinInt64

// Memory keeps the buckets of one replica. A key has a bucket from its first request until the bucket is full again.
// It is safe for concurrent use; requests of known keys take no lock and allocate nothing.
type Memory struct {
	clock   clock.WithTicker
	start   time.Time // buckets count from here, by a clock that nobody can set back
	buckets *xsync.Map[string, *bucket]
}

// NewMemory makes a Memory and registers how many keys it tracks. It fails when there is a metric of that name already.
func NewMemory(clk clock.WithTicker, registerer prometheus.Registerer) (*Memory, error) {
	m := &Memory{clock: clk, start: clk.Now(), buckets: xsync.NewMap[string, *bucket]()}

	return m, registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "apikey_verifier_rate_limit_tracked_keys",
		Help: "Keys whose use of their rate limit this replica has in memory: those that were used lately.",
	}, func() float64 { return float64(m.Len()) }))
}

// Take asks for one request of the key whose APIKey has this uid. A limit that differs from the one of the last request
// applies at once; what was used of the old one is used of the new one. A limit of zero grants, and keeps nothing.
func (m *Memory) Take(_ context.Context, uid string, limit access.Limit) access.Quota {
	if limit.IsZero() {
		return access.Quota{Granted: true}
	}
	now := m.clock.Since(m.start)
	if b, ok := m.buckets.Load(uid); ok && b.limit == limit {
		if quota, ok := b.take(now); ok {
			return quota
		}
	}
	for {
		if quota, ok := m.renew(uid, limit, now).take(now); ok {
			return quota
		}
	}
}

// Len is how many keys have a bucket.
func (m *Memory) Len() int { return m.buckets.Size() }

// Run drops the buckets of idle keys, once a minute, until the context ends.
func (m *Memory) Run(ctx context.Context) {
	ticker := m.clock.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			m.sweep()
		}
	}
}

// sweep drops the buckets that are full.
func (m *Memory) sweep() {
	now := m.clock.Since(m.start)
	m.buckets.DeleteMatching(func(_ string, b *bucket) (remove, stop bool) { return b.sealIfFull(now), false })
}

// renew returns the key's bucket for this limit, and makes one if there is none or the limit was another.
// The map lets nobody else change the entry meanwhile, so that two requests cannot each make one.
func (m *Memory) renew(uid string, limit access.Limit, now time.Duration) *bucket {
	b, _ := m.buckets.Compute(uid, func(old *bucket, found bool) (*bucket, xsync.ComputeOp) {
		if found && old.limit == limit {
			return old, xsync.CancelOp
		}
		b := &bucket{limit: limit, pace: PaceOf(limit)}
		if found {
			b.full.Store(b.pace.Carry(old.pace, old.seal(), old.pace.Ticks(now), b.pace.Ticks(now)))
		}

		return b, xsync.UpdateOp
	})

	return b
}

// bucket is what a key may use, under one limit. A key whose limit changes gets another bucket.
type bucket struct {
	limit access.Limit
	pace  Pace
	full  atomic.Int64 // when it is full again, in ticks of the pace since the Memory's start; or sealed
}

// take takes one request out; false: the bucket is sealed.
func (b *bucket) take(since time.Duration) (access.Quota, bool) {
	now := b.pace.Ticks(since)
	for {
		before := b.full.Load()
		if before == sealed {
			return access.Quota{}, false
		}
		after, quota := b.pace.Decide(before, now)
		if after == before || b.full.CompareAndSwap(before, after) {
			return quota, true
		}
	}
}

// seal ends the bucket, and returns when it would have been full again.
func (b *bucket) seal() int64 { return b.full.Swap(sealed) }

// sealIfFull ends the bucket if it is full. It must not be dropped otherwise, not even for the request that comes in
// between: the swap fails then.
func (b *bucket) sealIfFull(since time.Duration) bool {
	before := b.full.Load()

	return before <= b.pace.Ticks(since) && b.full.CompareAndSwap(before, sealed)
}
