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

// sweepInterval is how often full buckets are dropped. Memory holds the keys that were used since, and those whose
// buckets are not full yet.
const sweepInterval = time.Minute

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

// reserve is Take for a request that a store is to decide. It returns the bucket, too. A request that was granted is
// pending there until release.
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

// settle corrects the key's bucket by an answer of the store: how many requests were refused that had been reserved, and
// how long until the bucket is full. What the store says holds for the time at which it was asked, which is earlier than
// the time at which it answered: the bucket is never emptier than the store's.
func (m *Memory) settle(uid string, b *bucket, refused int64, asked, reset time.Duration) {
	for {
		full := b.pace.Ticks(asked) + min(b.pace.Ticks(reset), b.pace.burst)
		if b.settle(refused, full) {
			b.carried.Store(false)

			return
		}
		current, ok := m.buckets.Load(uid)
		if ok && current.limit != b.limit {
			return // the limit has changed meanwhile: what was reserved was carried over
		}
		refused = 0 // it was full when it was dropped
		b = m.renew(uid, b.limit, asked)
	}
}

// now is the time by which buckets count.
func (m *Memory) now() time.Duration { return m.clock.Since(m.start) }

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
	now := m.now()
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
			b.carried.Store(true)
		}

		return b, xsync.UpdateOp
	})

	return b
}
