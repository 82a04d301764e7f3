// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/puzpuzpuz/xsync/v4"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// sweepInterval is how often full buckets are dropped. Memory holds the keys that were used since then, and the keys whose
// buckets are not full yet.
const sweepInterval = time.Minute

// Memory keeps the buckets of one replica. A key has a bucket from its first request until the bucket is full again.
// Memory is safe for concurrent use. The request of a key that has a bucket takes no lock and allocates nothing.
type Memory struct {
	clock   clock.WithTicker
	start   time.Time // buckets count from here, by the monotonic clock
	buckets *xsync.Map[string, *bucket]
}

// NewMemory returns a Memory and registers its metric. It returns an error if a metric of that name is registered already.
func NewMemory(clk clock.WithTicker, registerer prometheus.Registerer) (*Memory, error) {
	m := &Memory{clock: clk, start: clk.Now(), buckets: xsync.NewMap[string, *bucket]()}

	return m, registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "apikey_verifier_rate_limit_tracked_keys",
		Help: "Keys whose rate limit this replica tracks in memory: those that were used lately.",
	}, func() float64 { return float64(m.Len()) }))
}

// Take takes one request from the limit of the APIKey with this uid. A changed limit applies at once: what was used of the
// old limit counts against the new limit. A zero limit always grants and stores nothing.
func (m *Memory) Take(_ context.Context, uid string, limit access.Limit) access.Quota {
	if limit.IsZero() {
		return access.Quota{Granted: true}
	}
	now := m.now()
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

// reserve is Take for a request that a store decides, and returns the bucket as well. A granted request is pending in the
// bucket until the store has answered.
func (m *Memory) reserve(uid string, limit access.Limit) (*bucket, access.Quota) {
	now := m.now()
	b, ok := m.buckets.Load(uid)
	if !ok || b.limit != limit {
		b = m.renew(uid, limit, now)
	}
	for {
		b.pending.Add(1)
		quota, ok := b.take(now)
		if ok && quota.Granted {
			return b, quota
		}
		b.pending.Add(-1)
		if ok {
			return b, quota
		}
		b = m.renew(uid, limit, now)
	}
}

// settle corrects the bucket of a key by an answer of the store: the number of reserved requests that the store refused, and
// the time until its bucket is full. The answer counts as of the time when the store was asked, which is before the store
// answered, so the bucket is never emptier than that of the store.
func (m *Memory) settle(uid string, b *bucket, refused int64, asked, reset time.Duration) {
	for {
		full := b.pace.Ticks(asked) + min(b.pace.Ticks(reset), b.pace.burst)
		if b.settle(refused, full) {
			b.carried.Store(false)

			return
		}
		current, ok := m.buckets.Load(uid)
		if ok && current.limit != b.limit {
			return // the limit changed meanwhile, and the new bucket took the reserved requests over
		}
		refused = 0 // the bucket was full when it was dropped
		b = m.renew(uid, b.limit, asked)
	}
}

// now returns the time by which buckets count.
func (m *Memory) now() time.Duration { return m.clock.Since(m.start) }

// Len returns the number of keys that have a bucket.
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
	now := m.now()
	m.buckets.DeleteMatching(func(_ string, b *bucket) (remove, stop bool) { return b.sealIfFull(now), false })
}

// renew returns the bucket of a key for this limit, and creates it if there is none or if it has another limit. The map locks
// the entry meanwhile, so two requests cannot both create a bucket.
func (m *Memory) renew(uid string, limit access.Limit, now time.Duration) *bucket {
	b, _ := m.buckets.Compute(uid, func(old *bucket, found bool) (*bucket, xsync.ComputeOp) {
		if found && old.limit == limit {
			return old, xsync.CancelOp
		}
		b := &bucket{limit: limit, pace: PaceOf(limit)}
		if found {
			b.full.Store(b.pace.Carry(old.pace, old.seal(), old.pace.Ticks(now), b.pace.Ticks(now)))
			b.carried.Store(true)
		}

		return b, xsync.UpdateOp
	})

	return b
}
