// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// patient is a time-out for tests that are not about time: a busy machine must not make a store look dead.
const patient = time.Minute

// replica is a Shared with what it says about itself.
type replica struct {
	*ratelimit.Shared

	registry *prometheus.Registry
	log      *record
}

// newReplica makes one for the store at a URL.
func newReplica(t testing.TB, url string, timeout time.Duration) replica {
	t.Helper()
	r := replica{registry: prometheus.NewRegistry(), log: &record{}}
	var err error
	r.Shared, err = ratelimit.NewShared(url, ratelimit.Options{
		Clock: clock.RealClock{}, Registerer: r.registry, Logger: slog.New(slog.NewTextHandler(r.log, nil)), Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() }) // the test may have closed it

	return r
}

// metric is the value of a metric: of a histogram, the number of observations and their sum.
func (r replica) metric(t testing.TB, name string) (value, sum float64) {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "apikey_verifier_rate_limit_"+name {
			m := family.GetMetric()[0]

			return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()), m.GetHistogram().GetSampleSum()
		}
	}
	t.Fatalf("there is no metric %s", name)

	return 0, 0
}

// wantMetric compares one.
func (r replica) wantMetric(t *testing.T, name string, want float64) {
	t.Helper()
	if got, _ := r.metric(t, name); got != want {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// record is a log that may be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.text.Write(line)
}

// lines are those written so far.
func (r *record) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return strings.SplitAfter(r.text.String(), "\n")[:strings.Count(r.text.String(), "\n")]
}

// limiter is what Memory and Shared have in common.
type limiter interface {
	Take(ctx context.Context, uid string, limit access.Limit) access.Quota
}

// TestLimits is what all limiters do alike. Periods are so long that the time that a test takes changes nothing but
// the digits after the minute.
func TestLimits(t *testing.T) {
	three, none := access.Limit{Requests: 3, Per: day}, access.Limit{}
	type step struct {
		limit access.Limit
		times int // how often to ask; the last answer is compared
		want  access.Quota
	}
	s := startServer(t)
	limiters := map[string]limiter{"memory": newMemory(t, clock.RealClock{}), "shared": newReplica(t, s.url(), patient)}
	for name, steps := range map[string][]step{
		"requests are counted down": {
			{three, 1, access.Quota{Granted: true, Remaining: 2, Reset: day / 3}},
			{three, 1, access.Quota{Granted: true, Remaining: 1, Reset: 2 * day / 3}},
			{three, 1, access.Quota{Granted: true, RetryAfter: day / 3, Reset: day}},
			{three, 1, access.Quota{RetryAfter: day / 3, Reset: day}},
			{three, 100, access.Quota{RetryAfter: day / 3, Reset: day}},
		},
		"a burst is less than the requests of a period": {
			{access.Limit{Requests: 24, Burst: 2, Per: day}, 2, access.Quota{Granted: true, RetryAfter: time.Hour, Reset: 2 * time.Hour}},
		},
		"no limit grants and counts nothing": {
			{none, 10, access.Quota{Granted: true}},
			{three, 1, access.Quota{Granted: true, Remaining: 2, Reset: day / 3}},
		},
		"a higher limit gives the difference at once": {
			{three, 4, access.Quota{RetryAfter: day / 3, Reset: day}},
			{access.Limit{Requests: 6, Per: day}, 1, access.Quota{Granted: true, Remaining: 2, Reset: 4 * day / 6}},
		},
		"a lower limit counts what was used": {
			{access.Limit{Requests: 24, Per: day}, 4, access.Quota{Granted: true, Remaining: 20, Reset: 4 * time.Hour}},
			{access.Limit{Requests: 6, Per: day}, 1, access.Quota{Granted: true, Remaining: 1, Reset: 5 * 4 * time.Hour}},
		},
		"a lower limit asks for no more than its burst": {
			{access.Limit{Requests: 24, Per: day}, 24, access.Quota{Granted: true, RetryAfter: time.Hour, Reset: day}},
			{access.Limit{Requests: 2, Per: day}, 1, access.Quota{RetryAfter: day / 2, Reset: day}},
			{access.Limit{Requests: 24, Per: day}, 1, access.Quota{Granted: true, Remaining: 21, Reset: 3 * time.Hour}},
		},
		"the greatest burst of the rarest limit": {
			{access.Limit{Requests: 1, Burst: 1e6, Per: day}, 3, access.Quota{Granted: true, Remaining: 1e6 - 3, Reset: 3 * day}},
		},
	} {
		for kind, l := range limiters {
			t.Run(name+", "+kind, func(t *testing.T) {
				for i, c := range steps {
					var got access.Quota
					for range c.times {
						got = l.Take(t.Context(), name, c.limit)
					}
					got.RetryAfter, got.Reset = got.RetryAfter.Round(time.Minute), got.Reset.Round(time.Minute)
					if diff := cmp.Diff(c.want, got); diff != "" {
						t.Errorf("step %d: quota differs (-want +got):\n%s", i, diff)
					}
				}
			})
		}
	}
}

func TestStoreReadsWhatIsThere(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), patient)
	limit, hour := access.Limit{Requests: 24, Burst: 10, Per: day}, time.Hour.Microseconds()
	for name, c := range map[string]struct {
		taken string
		since time.Duration // from now
		want  int64         // what remains after one more; -1: refused
	}{
		"a bucket that fills up":                      {"5", -2 * time.Hour, 6},
		"a bucket that has been full for long":        {"5", -100 * time.Hour, 9},
		"fractions of a request":                      {"9.25", 0, -1},
		"a fraction that filled up":                   {"9.25", -15 * time.Minute, 0},
		"a clock that was set back starts again":      {"5", 30 * day, 4},
		"a clock that was set back, and nothing left": {"10", 30 * day, -1},
		"more taken than there is, as after a change": {"1000", 0, -1},
		"a text that is not ours counts as full":      {"nonsense", 0, 9},
		"a number in another notation":                {"5e0", 0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			key := "apikey-operator:ratelimit:" + name
			s.do("SET", key, fmt.Sprintf("%s %d", c.taken, s.now()+c.since.Microseconds()))
			got := r.Take(t.Context(), name, limit)
			if got.Granted != (c.want >= 0) || got.Granted && got.Remaining != c.want {
				t.Errorf("quota is %+v, want %d left", got, c.want)
			}
			if c.since <= 0 {
				return
			}
			stored, _ := s.do("GET", key).(string)
			var taken float64
			var since int64
			if _, err := fmt.Sscan(stored, &taken, &since); err != nil || since > s.now() || since < s.now()-hour {
				t.Errorf("the store says %q (%v), want a time that is not in the future", stored, err)
			}
		})
	}
	r.wantMetric(t, "fallback_total", 0)
}

func TestRefusalsDoNotKeepABucketFromFillingUp(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), patient)
	limit := access.Limit{Requests: 5, Burst: 1, Per: time.Second}
	before := s.now()
	for range 3 {
		for !r.Take(t.Context(), "a", limit).Granted {
			continue
		}
	}
	if took := s.now() - before; took < 399_000 {
		t.Errorf("three requests were granted within %d µs, want 400 ms or more", took)
	}
}

func TestBucketsInTheStoreExpire(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url()+"?db=3", patient)
	r.Take(t.Context(), "0f8fad5b", access.Limit{Requests: 24, Per: day})
	if key := "apikey-operator:ratelimit:0f8fad5b"; s.do("EXISTS", key) != int64(0) {
		t.Error("the bucket is in database 0, want 3")
	}
	s.do("SWAPDB", 0, 3)
	ttl, _ := s.do("PTTL", "apikey-operator:ratelimit:0f8fad5b").(int64)
	if hour := time.Hour.Milliseconds(); ttl > hour || ttl < hour/2 {
		t.Errorf("the bucket expires in %d ms, want an hour: that is when it is full", ttl)
	}
}

func TestReplicasShareALimit(t *testing.T) {
	const burst, most = 3000, 3600
	s := startServer(t)
	replicas := []replica{newReplica(t, s.url(), patient), newReplica(t, s.url(), patient), newReplica(t, s.url(), patient)}
	limit := access.Limit{Requests: burst, Per: day}
	var granted, early atomic.Int64
	take := func(count int64) {
		atOnce(12, func(worker int) {
			for range count / 12 {
				if replicas[worker%3].Take(t.Context(), "a", limit).Granted {
					granted.Add(1)
				} else {
					early.Add(1)
				}
			}
		})
	}
	take(burst)
	if early.Load() != 0 {
		t.Errorf("%d of the first %d requests were refused, want none", early.Load(), burst)
	}
	take(most - burst)
	if granted.Load() > burst*101/100 {
		t.Errorf("%d of %d requests were granted, want at most 1%% more than %d", granted.Load(), most, burst)
	}
	for _, r := range replicas {
		r.wantMetric(t, "fallback_total", 0)
	}
}

// TestReplicasKeepTheRate takes as much as it gets for a second at least, by the clock of the server, and until the bucket is empty.
// The bucket takes ten seconds to fill, so it loses nothing while a busy machine holds the test up.
func TestReplicasKeepTheRate(t *testing.T) {
	const rate, burst = 400, 4000
	s := startServer(t)
	replicas := []replica{newReplica(t, s.url(), patient), newReplica(t, s.url(), patient), newReplica(t, s.url(), patient)}
	limit := access.Limit{Requests: rate, Burst: burst, Per: time.Second}
	var granted, refused, empty atomic.Int64
	before := s.now()
	if replicas[0].Take(t.Context(), "a", limit).Granted {
		granted.Add(1)
	}
	first := s.now() // by now the bucket fills up
	atOnce(6, func(worker int) {
		for at := s.now(); at < before+time.Second.Microseconds() || refused.Load() == 0; at = s.now() {
			if replicas[worker%3].Take(t.Context(), "a", limit).Granted {
				granted.Add(1)
			} else {
				refused.Add(1)
				empty.Store(at) // all that had flowed in by then was granted
			}
		}
	})
	least, most := burst+rate*float64(empty.Load()-first)/1e6, burst+rate*float64(s.now()-before)/1e6
	if got := float64(granted.Load()); got > most*1.01 || got < least*0.99 {
		t.Errorf("%v requests were granted, want %v to %v, or 1%% more or less", got, least, most)
	}
}
