// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// sealed marks a bucket that has left the map. A request that still holds the bucket must get its successor.
const sealed = math.MinInt64

// bucket counts the requests of a key under one limit. A key whose limit changes gets a new bucket. A bucket fills a cache line.
type bucket struct {
	limit access.Limit
	pace  Pace
	full  atomic.Int64 // when it is full again, in ticks of the pace since the Memory's start; or sealed

	// The following fields are used if a store keeps the bucket, too.

	// pending counts the requests that were taken here and that the store has not answered yet. It is never too low:
	// it rises before full does, and falls after the answer has corrected full.
	pending atomic.Int32
	// carried is true if this bucket replaced a bucket of another limit and the store has not answered since.
	carried atomic.Bool
}

// take takes one request. It returns false if the bucket is sealed.
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

// settle returns the requests that the store refused, and takes what other replicas took: the bucket is not full before the
// tick full. It returns false if the bucket is sealed.
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

// confirmed returns how many requests are taken at a time, without those that the store has not answered yet.
func (b *bucket) confirmed(at time.Duration) float64 {
	full := b.full.Load() // read before pending, which is never too low
	if full == sealed {
		return 0
	}
	taken := clamp(full-b.pace.Ticks(at), 0, b.pace.burst)

	return max(0, float64(taken)/float64(b.pace.interval)-float64(b.pending.Load()))
}

// seal ends the bucket, and returns when it would have been full again.
func (b *bucket) seal() int64 { return b.full.Swap(sealed) }

// sealIfFull ends the bucket if it is full. The swap fails if a request comes in between, so no such request is lost.
func (b *bucket) sealIfFull(since time.Duration) bool {
	before := b.full.Load()

	return before <= b.pace.Ticks(since) && b.full.CompareAndSwap(before, sealed)
}
