// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"math"
	"math/bits"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// The ranges of an access.Limit. Admission keeps to them; what lies outside is taken as the nearest that does not.
const (
	maxRequests = 1_000_000
	minPer      = time.Second
	maxPer      = 24 * time.Hour
)

// maxRequestTicks bounds how finely the time of one request is divided. With a burst of at most 1,000,000 requests,
// every sum of ticks stays below 2^63 for 200 years.
const maxRequestTicks = 1 << 40

// Pace is a limit in whole numbers. It counts time in ticks of its own, so long that a request takes up a whole number
// of them, and so does a period: nothing is rounded that could add up, and a key gets exactly its requests in each
// period. A tick is from 1 ns to 2 ns, and up to 79 ns where a request takes up more than 18 minutes.
type Pace struct {
	request int64 // ticks in which one request fills up again
	burst   int64 // ticks in which the whole bucket does
	period  int64 // ticks in a period
	nanos   int64 // nanoseconds in a period; never less than ticks
}

// PaceOf is the pace of a limit that is not zero.
func PaceOf(limit access.Limit) Pace {
	requests, burst, per := limitsOf(limit)
	request := min(int64(per)/requests, maxRequestTicks)

	return Pace{request: request, burst: burst * request, period: requests * request, nanos: int64(per)}
}

// limitsOf are the numbers of a limit, within their ranges.
func limitsOf(limit access.Limit) (requests, burst int64, per time.Duration) {
	requests = clamp(int64(limit.Requests), 1, maxRequests)
	burst = requests
	if limit.Burst > 0 {
		burst = min(int64(limit.Burst), maxRequests)
	}

	return requests, burst, min(max(limit.Per, minPer), maxPer)
}

// Ticks is a time, from 0 to 200 years after any fixed moment, in the ticks of this pace. It is rounded down.
func (p Pace) Ticks(t time.Duration) int64 {
	return scaled(max(int64(t), 0), p.period, p.nanos, 0)
}

// Decide takes one request out of a bucket. It is told when the bucket is full again, 0 for one that always was, and what
// time it is, both in ticks; it returns when the bucket is full then, and what it has left.
//
// A bucket is never emptier than empty: full is brought down to now and the burst, so that a clock that was set back
// does not refuse a key for longer than an empty bucket does.
func (p Pace) Decide(full, now int64) (int64, access.Quota) {
	full = clamp(full, now, now+p.burst)
	free := now + p.burst - full
	granted := free >= p.request
	if granted {
		full += p.request
		free -= p.request
	}

	return full, access.Quota{
		Granted:    granted,
		Remaining:  free / p.request,
		RetryAfter: p.duration(max(p.request-free, 0)),
		Reset:      p.duration(full - now),
	}
}

// Carry is when a bucket of this pace is full again that has the requests taken out that are taken out of one of
// another pace: after a change of its limit, a key has used what it has used. All times are in ticks of their pace.
func (p Pace) Carry(from Pace, full, fromNow, now int64) int64 {
	taken := clamp(full-fromNow, 0, from.burst)

	return now + scaled(taken, p.request, from.request, from.request-1)
}

// duration is how long a number of ticks takes, rounded up: who waits that long has waited long enough. A bucket that
// takes longer to fill up than a time.Duration can say, 292 years, gets the longest of them.
func (p Pace) duration(ticks int64) time.Duration {
	return time.Duration(scaled(ticks, p.nanos, p.period, p.period-1))
}

// scaled is (n × by + extra) / over without overflow in between, and math.MaxInt64 where the result would not fit.
// None may be negative, and over must not be 0.
func scaled(n, by, over, extra int64) int64 {
	if by == over {
		return n // most limits: a tick is a nanosecond
	}
	high, low := bits.Mul64(uint64(n), uint64(by))  //nolint:gosec // not negative
	low, carry := bits.Add64(low, uint64(extra), 0) //nolint:gosec // not negative
	if high += carry; high >= uint64(over) {        //nolint:gosec // not negative
		return math.MaxInt64
	}
	result, _ := bits.Div64(high, low, uint64(over)) //nolint:gosec // not negative

	return int64(min(result, math.MaxInt64))
}

// clamp is the number between low and high that is nearest to n.
func clamp(n, low, high int64) int64 { return min(max(n, low), high) }
