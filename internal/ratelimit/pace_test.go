// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

const (
	day   = 24 * time.Hour
	never = time.Duration(math.MaxInt64)
)

func TestPaceDecides(t *testing.T) {
	const minute = time.Minute
	tenAMinute := access.Limit{Requests: 10, Burst: 2, Per: minute} // one in 6s
	for name, c := range map[string]struct {
		limit access.Limit
		full  time.Duration // when the bucket is full again, from now
		want  access.Quota
	}{
		"a full bucket grants and has the rest of the burst": {tenAMinute, 0, access.Quota{Granted: true, Remaining: 1, Reset: 6 * time.Second}},
		"a bucket that was full long ago is no fuller":       {tenAMinute, -time.Hour, access.Quota{Granted: true, Remaining: 1, Reset: 6 * time.Second}},
		"the last request is granted and says when the next is": {
			tenAMinute,
			6 * time.Second,
			access.Quota{Granted: true, RetryAfter: 6 * time.Second, Reset: 12 * time.Second},
		},
		"a part of a request is none": {tenAMinute, 6*time.Second + 1, access.Quota{RetryAfter: 1, Reset: 6*time.Second + 1}},
		"an empty bucket refuses": {
			tenAMinute,
			12 * time.Second,
			access.Quota{RetryAfter: 6 * time.Second, Reset: 12 * time.Second},
		},
		"a bucket is never emptier than empty": {tenAMinute, 30 * day, access.Quota{RetryAfter: 6 * time.Second, Reset: 12 * time.Second}},
		"without a burst all requests may come at once": {
			access.Limit{Requests: 10, Per: minute},
			0,
			access.Quota{Granted: true, Remaining: 9, Reset: 6 * time.Second},
		},
		"a burst may be greater than the requests of a period": {
			access.Limit{Requests: 1, Burst: 5, Per: minute},
			0,
			access.Quota{Granted: true, Remaining: 4, Reset: minute},
		},
		"times are rounded up": {
			access.Limit{Requests: 3, Burst: 1, Per: time.Second},
			0,
			access.Quota{Granted: true, RetryAfter: 333333334, Reset: 333333334},
		},
		"the most frequent limit": {
			access.Limit{Requests: 1e6, Per: time.Second},
			0,
			access.Quota{Granted: true, Remaining: 1e6 - 1, Reset: time.Microsecond},
		},
		"the rarest limit with the greatest burst": {
			access.Limit{Requests: 1, Burst: 1e6, Per: day},
			0,
			access.Quota{Granted: true, Remaining: 1e6 - 1, Reset: day},
		},
		"more centuries than a duration holds": {
			access.Limit{Requests: 1, Burst: 1e6, Per: day},
			250 * 365 * day,
			access.Quota{Granted: true, Remaining: 1e6 - 91251, Reset: 250*365*day + day},
		},
		"beyond the ranges the nearest within them counts": {
			access.Limit{Requests: math.MaxInt32, Burst: math.MaxInt32, Per: 1},
			0,
			access.Quota{Granted: true, Remaining: 1e6 - 1, Reset: time.Microsecond},
		},
		"no number is small enough to divide by zero": {
			access.Limit{Requests: math.MinInt32, Burst: math.MinInt32, Per: math.MinInt64},
			0,
			access.Quota{Granted: true, RetryAfter: time.Second, Reset: time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pace, now := ratelimit.PaceOf(c.limit), 300*day
			_, got := pace.Decide(pace.Ticks(now+c.full), pace.Ticks(now))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("quota differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBucketThatTakesTooLongToFillUpSaysForEver(t *testing.T) {
	pace := ratelimit.PaceOf(access.Limit{Requests: 1, Burst: 1e6, Per: day})
	_, got := pace.Decide(math.MaxInt64, 0)
	if want := (access.Quota{RetryAfter: day, Reset: never}); got != want {
		t.Errorf("quota is %+v, want %+v", got, want)
	}
}

// TestErrsByLessThanATickPerRequest asks again as soon as it is told to, for ten thousand requests and at least three periods. By the
// end of a period no more than its requests were granted. Fewer were granted only as far as each has taken a nanosecond longer.
func TestErrsByLessThanATickPerRequest(t *testing.T) {
	for _, limit := range []access.Limit{
		{Requests: 7, Burst: 2, Per: time.Second},
		{Requests: 13, Burst: 5, Per: time.Minute},
		{Requests: 999_983, Burst: 2, Per: time.Second},
		{Requests: 999_983, Burst: 3, Per: 59 * time.Second},
		{Requests: 1, Burst: 1, Per: day},
		{Requests: 1000, Burst: 1000, Per: day},
		{Requests: 86_399, Burst: 2, Per: 86_397 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d in %s", limit.Requests, limit.Per), func(t *testing.T) {
			pace, start := ratelimit.PaceOf(limit), 123456789*time.Microsecond
			full, granted, now := int64(0), int64(0), start
			until := func(end time.Duration) int64 {
				for now <= end {
					after, quota := pace.Decide(full, pace.Ticks(now))
					full = after
					if quota.Granted {
						granted++
					}
					now += quota.RetryAfter
				}

				return granted
			}
			want, end := int64(limit.Burst), start
			for period := range max(3, 10_000/int(limit.Requests)) {
				end += limit.Per
				want += int64(limit.Requests)
				if got := until(end); got > want {
					t.Fatalf("%d granted by the end of period %d, want at most %d", got, period+1, want)
				}
			}
			if got := until(end + time.Duration(want)); got < want {
				t.Fatalf("%d granted with a nanosecond more for each, want %d", got, want)
			}
		})
	}
}

func TestCarryKeepsWhatWasUsed(t *testing.T) {
	hundred := access.Limit{Requests: 100, Per: time.Minute}
	for name, c := range map[string]struct {
		to   access.Limit
		used int
		want int64 // how many fit, the one that is asked for included
	}{
		"the same limit in other words":       {access.Limit{Requests: 100, Burst: 100, Per: time.Minute}, 40, 60},
		"a higher limit gives the difference": {access.Limit{Requests: 1000, Per: time.Minute}, 100, 900},
		"a lower limit takes it":              {access.Limit{Requests: 50, Per: time.Minute}, 40, 10},
		"a limit that was used up already":    {access.Limit{Requests: 50, Per: time.Minute}, 100, 0},
		"a key that has used nothing":         {access.Limit{Requests: 50, Per: time.Hour}, 0, 50},
		"the rarest limit":                    {access.Limit{Requests: 1, Burst: 1e6, Per: day}, 100, 1e6 - 100},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, now := ratelimit.PaceOf(hundred), ratelimit.PaceOf(c.to), time.Hour
			full := int64(0)
			for range c.used {
				full, _ = from.Decide(full, from.Ticks(now))
			}
			_, quota := to.Decide(to.Carry(from, full, from.Ticks(now), to.Ticks(now)), to.Ticks(now))
			got := quota.Remaining
			if quota.Granted {
				got++
			}
			if got != c.want {
				t.Errorf("%d fit, want %d", got, c.want)
			}
		})
	}
}

func TestCarryBackAndForthGivesNothing(t *testing.T) {
	here, there := ratelimit.PaceOf(access.Limit{Requests: 7, Per: day}), ratelimit.PaceOf(access.Limit{Requests: 999_983, Burst: 7, Per: time.Second})
	full := int64(0)
	for minute := range 1000 {
		now := time.Hour + time.Duration(minute)*time.Minute
		full, _ = here.Decide(full, here.Ticks(now))
		elsewhere := there.Carry(here, full, here.Ticks(now), there.Ticks(now))
		if back := here.Carry(there, elsewhere, there.Ticks(now), here.Ticks(now)); back < full {
			t.Fatalf("after %s a bucket is full at %d, and after a change of its limit and back at %d", now, full, back)
		}
	}
}

// FuzzPace compares with a bucket that counts in fractions, at the rounded interval. A decision may differ by what one tick lets in,
// and never by more, however many decisions there were.
func FuzzPace(f *testing.F) {
	for _, limit := range []access.Limit{
		{Requests: 1, Burst: 1, Per: time.Second}, {Requests: 7, Burst: 3, Per: time.Second}, {Requests: 1e6, Per: time.Second},
		{Requests: 999_983, Burst: 10, Per: time.Second}, {Requests: 1, Burst: 1e6, Per: day}, {Requests: 17, Burst: 4, Per: day},
	} {
		f.Add(limit.Requests, limit.Burst, int64(limit.Per/time.Second), uint64(1))
	}
	f.Fuzz(func(t *testing.T, requests, burst int32, seconds int64, seed uint64) {
		limit := access.Limit{Requests: max(1, requests%1e6), Burst: max(1, burst%1e6), Per: time.Duration(max(1, seconds%86400)) * time.Second}
		pace, full := ratelimit.PaceOf(limit), int64(0)
		bucket := newFractions(limit)
		random, now := rand.New(rand.NewPCG(seed, 0)), time.Duration(0) //nolint:gosec // the same seed must give the same waits
		for range 500 {
			wait := time.Duration(random.Int64N(256)) << random.IntN(48) // from 0 to a year
			now += wait
			after, quota := pace.Decide(full, pace.Ticks(now))
			if problem := bucket.take(wait, quota); problem != "" {
				t.Fatalf("%+v at %s: %+v, though %s", limit, now, quota, problem)
			}
			if !quota.Granted && after != full {
				t.Fatalf("%+v at %s: a refusal changes the bucket", limit, now)
			}
			full = after
			if _, later := pace.Decide(full, pace.Ticks(now+quota.RetryAfter)); !later.Granted {
				t.Fatalf("%+v at %s: %+v, but after that wait it is refused", limit, now, quota)
			}
			if _, later := pace.Decide(full, pace.Ticks(now+quota.Reset)); quota.Reset != never && later.Remaining != int64(limit.Burst)-1 {
				t.Fatalf("%+v at %s: %+v, but then there are %d left of the burst", limit, now, quota, later.Remaining)
			}
		}
	})
}

// fractions is a bucket that counts requests in fractions.
type fractions struct {
	tokens, burst, perNano, tick *big.Rat
}

func newFractions(limit access.Limit) *fractions {
	burst := new(big.Rat).SetInt64(int64(limit.Burst))
	interval, tick := (int64(limit.Per)+int64(limit.Requests)-1)/int64(limit.Requests), int64(1)
	if interval > 1<<40 {
		tick = 64
		interval = (interval + tick - 1) / tick * tick
	}

	return &fractions{
		tokens: new(big.Rat).Set(burst), burst: burst, perNano: big.NewRat(1, interval), tick: big.NewRat(tick, interval),
	}
}

// take lets the requests of a wait drip in and takes one out if one was granted. It says what is wrong with the quota.
func (f *fractions) take(wait time.Duration, quota access.Quota) string {
	f.tokens.Add(f.tokens, new(big.Rat).Mul(f.perNano, big.NewRat(int64(wait), 1)))
	if f.tokens.Cmp(f.burst) > 0 {
		f.tokens.Set(f.burst)
	}
	short := new(big.Rat).Sub(big.NewRat(1, 1), f.tokens) // what is missing for a request
	if quota.Granted && short.Cmp(f.tick) > 0 {
		return "there are only " + f.tokens.FloatString(12)
	}
	if short.Neg(short); !quota.Granted && short.Cmp(f.tick) > 0 {
		return "there are " + f.tokens.FloatString(12)
	}
	if quota.Granted {
		f.tokens.Sub(f.tokens, big.NewRat(1, 1))
	}
	off := new(big.Rat).Sub(f.tokens, new(big.Rat).SetInt64(quota.Remaining)) // from 0 to 1, but for a tick
	if off.Cmp(new(big.Rat).Neg(f.tick)) < 0 || off.Cmp(new(big.Rat).Add(f.tick, big.NewRat(1, 1))) > 0 {
		return "there are " + f.tokens.FloatString(12) + " left"
	}

	return ""
}
