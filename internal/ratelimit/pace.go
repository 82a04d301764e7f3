// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"math"
	"math/bits"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// The ranges of an access.Limit, which are those of the API.
const (
	maxRequests = 1_000_000
	minPer      = time.Second
	maxPer      = 24 * time.Hour
)

// A bucket counts time in ticks of 1 ns, or of 64 ns if a request takes longer than longInterval, which is 18 minutes. So the largest
// burst at the longest interval, 1,000,000 days, still fits into 63 bits.
const (
	longInterval = 1 << 40
	longShift    = 6
)

// Pace is a limit in ticks, for the generic cell rate algorithm. The interval between requests is rounded up to whole ticks, so a key
// never gets more than its limit. It gets less by at most one tick per request: 0.1 % at 1,000,000 requests a second, and 1 request
// in 30 years at 1 a second.
type Pace struct {
	interval int64 // ticks in which one request comes back
	burst    int64 // ticks in which the whole bucket fills up
	shift    uint  // a tick is 1<<shift nanoseconds
}

// PaceOf returns the pace of a limit that is not zero.
func PaceOf(limit access.Limit) Pace {
	limit = clamped(limit)
	p := Pace{interval: ceil(int64(limit.Per), int64(limit.Requests))}
	if p.interval > longInterval {
		p.shift = longShift
		p.interval = ceil(p.interval, 1<<longShift)
	}
	p.burst = int64(limit.Burst) * p.interval

	return p
}

// clamped returns a limit with a burst, and replaces each value outside its range by the nearest value inside.
func clamped(l access.Limit) access.Limit {
	l.Requests = min(max(l.Requests, 1), maxRequests)
	if l.Burst <= 0 {
		l.Burst = l.Requests
	}
	l.Burst = min(l.Burst, maxRequests)
	l.Per = min(max(l.Per, minPer), maxPer)

	return l
}

// Ticks returns a time since any fixed moment in ticks, rounded down; 0 for a time before that.
func (p Pace) Ticks(t time.Duration) int64 { return max(int64(t), 0) >> p.shift }

// Decide takes one request out of a bucket that is full again at a time; full is 0 for a new bucket. It returns the time at which the
// bucket is full afterwards, and what is left in it. All times are in ticks.
//
// A bucket is never emptier than empty: full is at most now plus the burst, so that a clock that is set back does not refuse a key for
// longer than an empty bucket does.
func (p Pace) Decide(full, now int64) (int64, access.Quota) {
	full = clamp(full, now, now+p.burst)
	free := now + p.burst - full
	granted := free >= p.interval
	if granted {
		full += p.interval
		free -= p.interval
	}

	return full, access.Quota{
		Granted:    granted,
		Remaining:  free / p.interval,
		RetryAfter: p.duration(max(p.interval-free, 0)),
		Reset:      p.duration(full - now),
	}
}

// Carry converts a bucket of another pace, so that after a change of its limit a key has used what it has used. It returns the time at
// which the bucket of this pace is full, in ticks of this pace as now. The times full and fromNow are in ticks of the other pace.
func (p Pace) Carry(from Pace, full, fromNow, now int64) int64 {
	taken := clamp(full-fromNow, 0, from.burst)
	// The product may need 128 bits. The quotient does not: at most 1,000,000 requests are taken.
	high, low := bits.Mul64(uint64(taken), uint64(p.interval))     //nolint:gosec // not negative
	quotient, rest := bits.Div64(high, low, uint64(from.interval)) //nolint:gosec // positive
	if rest > 0 {
		quotient++
	}

	return now + int64(quotient) //nolint:gosec // see above
}

// duration returns how long a number of ticks takes, or the longest time.Duration, 292 years, if it takes longer.
func (p Pace) duration(ticks int64) time.Duration {
	if ticks > math.MaxInt64>>p.shift {
		return math.MaxInt64
	}

	return time.Duration(ticks << p.shift)
}

// ceil returns a / b, rounded up. Both are positive.
func ceil(a, b int64) int64 { return (a + b - 1) / b }

// clamp returns the number between low and high that is nearest to n.
func clamp(n, low, high int64) int64 { return min(max(n, low), high) }
