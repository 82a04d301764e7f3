// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// sealed stands in a bucket that has left the map: a request that still holds it must get the one that came after.
const sealed = math.MinInt64

// bucket is what a key may use, under one limit. A key whose limit changes gets another bucket. It fills a cache line.
type bucket struct {
	limit access.Limit
	pace  Pace
	full  atomic.Int64 // when it is full again, in ticks of the pace since the Memory's start; or sealed

	// These are for buckets that a store keeps, too.

	// pending counts the requests that were taken here and that the store has not answered yet. It never counts fewer
	// than there are: it is raised before full is, and lowered after the answer has corrected full.
	pending atomic.Int32
	// carried says that this bucket came after one of another limit, and that the store has not been asked since.
	carried atomic.Bool
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

// settle puts back requests that the store has refused, and takes out what the store knows to be taken: it is not full
// before that time, in ticks. false: the bucket is sealed.
func (b *bucket) settle(refused, full int64) bool {
	for {
		before := b.full.Load()
		if before == sealed {
			return false
		}
		after := max(before-refused*b.pace.interval, full)
		if after == before || b.full.CompareAndSwap(before, after) {
			return true
		}
	}
}

// known is how many requests are taken out at a time, without those that the store has not answered yet.
func (b *bucket) known(at time.Duration) float64 {
	full := b.full.Load() // before pending: see there
	if full == sealed {
		return 0
	}
	taken := clamp(full-b.pace.Ticks(at), 0, b.pace.burst)

	return max(0, float64(taken)/float64(b.pace.interval)-float64(b.pending.Load()))
}

// seal ends the bucket, and returns when it would have been full again.
func (b *bucket) seal() int64 { return b.full.Swap(sealed) }

// sealIfFull ends the bucket if it is full. It must not be dropped otherwise, not even for the request that comes in
// between: the swap fails then.
func (b *bucket) sealIfFull(since time.Duration) bool {
	before := b.full.Load()

	return before <= b.pace.Ticks(since) && b.full.CompareAndSwap(before, sealed)
}
