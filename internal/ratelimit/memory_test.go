// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

func newMemory(t testing.TB, clk clock.WithTicker) *ratelimit.Memory {
	t.Helper()
	m, err := ratelimit.NewMemory(clk, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}

	return m
}

// newFakeClock is a clock that stands still.
func newFakeClock() *clocktesting.FakeClock {
	return clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))
}

// atOnce runs a function several times at once, and returns when all have returned.
func atOnce(workers int, work func(worker int)) {
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() { work(worker) })
	}
	group.Wait()
}

func TestMemoryFillsUpAsTimeGoesBy(t *testing.T) {
	clk, limit := newFakeClock(), access.Limit{Requests: 2, Burst: 1, Per: time.Second}
	m := newMemory(t, clk)
	for step, c := range []struct {
		wait time.Duration
		want bool
	}{
		{0, true}, {0, false}, {500*time.Millisecond - 1, false}, {1, true}, {499 * time.Millisecond, false}, {time.Millisecond, true},
		{time.Hour, true}, {0, false},
	} {
		clk.Step(c.wait)
		if quota := m.Take(t.Context(), "a", limit); quota.Granted != c.want {
			t.Errorf("step %d: %+v, want granted %t", step, quota, c.want)
		}
	}
}

func TestKeysDoNotShareABucket(t *testing.T) {
	m, limit := newMemory(t, newFakeClock()), access.Limit{Requests: 1, Per: time.Minute}
	for _, uid := range []string{"a", "b", ""} {
		if !m.Take(t.Context(), uid, limit).Granted || m.Take(t.Context(), uid, limit).Granted {
			t.Errorf("the key %q has not got exactly its own request", uid)
		}
	}
}

func TestMemoryGrantsNoRequestTwice(t *testing.T) {
	const keys, burst = 200, 300
	for name, limits := range map[string][]access.Limit{
		"under one limit":                  {{Requests: burst, Per: day}},
		"while the limit changes and back": {{Requests: burst, Per: day}, {Requests: burst / 2, Burst: burst, Per: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, newFakeClock())
			for key := range keys {
				var granted atomic.Int64
				atOnce(4, func(worker int) {
					for i := range burst / 2 {
						if m.Take(t.Context(), strconv.Itoa(key), limits[(worker+i)%len(limits)]).Granted {
							granted.Add(1)
						}
					}
				})
				if granted.Load() != burst {
					t.Fatalf("key %d: %d granted, want %d", key, granted.Load(), burst)
				}
			}
			if m.Len() != keys {
				t.Errorf("there are %d buckets, want %d", m.Len(), keys)
			}
		})
	}
}

// TestSweepLosesNoRequest drops idle buckets while requests for them come in: each minute every key has exactly one
// request again, whether its bucket was dropped before, after or in between.
func TestSweepLosesNoRequest(t *testing.T) {
	const keys, workers, minutes = 200, 3, 500
	synctest.Test(t, func(t *testing.T) {
		clk, limit := newFakeClock(), access.Limit{Requests: 1, Per: time.Minute}
		m := newMemory(t, clk)
		running(t, m)
		for minute := range minutes {
			var granted [keys]atomic.Int64
			clk.Step(time.Minute) // a sweep begins
			atOnce(workers, func(int) {
				for key := range keys {
					if m.Take(t.Context(), strconv.Itoa(key), limit).Granted {
						granted[key].Add(1)
					}
				}
			})
			for key := range keys {
				if got := granted[key].Load(); got != 1 {
					t.Fatalf("minute %d, key %d: %d granted, want 1", minute, key, got)
				}
			}
		}
	})
}

func TestIdleKeysAreForgotten(t *testing.T) {
	const keys = 1_000_000
	synctest.Test(t, func(t *testing.T) {
		clk := newFakeClock()
		m := newMemory(t, clk)
		running(t, m)
		limit, slow := access.Limit{Requests: 1, Per: time.Second}, access.Limit{Requests: 1, Per: time.Hour}
		for i := range keys {
			m.Take(t.Context(), strconv.Itoa(i), limit)
		}
		m.Take(t.Context(), "slow", slow)
		if m.Len() != keys+1 {
			t.Fatalf("%d keys are tracked, want %d", m.Len(), keys+1)
		}
		clk.Step(time.Minute)
		synctest.Wait()
		if m.Len() != 1 || m.Take(t.Context(), "slow", slow).Granted {
			t.Errorf("%d keys are tracked, want the one whose bucket is not full yet", m.Len())
		}
		clk.Step(time.Hour)
		synctest.Wait()
		if m.Len() != 0 {
			t.Errorf("%d keys are tracked, want none", m.Len())
		}
	})
}

func TestKnownKeyAllocatesNothing(t *testing.T) {
	m, limit, ctx := newMemory(t, clock.RealClock{}), access.Limit{Requests: 100, Per: time.Second}, t.Context()
	if allocations := testing.AllocsPerRun(1000, func() { m.Take(ctx, "a", limit) }); allocations != 0 {
		t.Errorf("%v allocations a request, want none", allocations)
	}
}

func TestMemoryRefusesToShareItsMetric(t *testing.T) {
	registry := prometheus.NewRegistry()
	for _, want := range []bool{true, false} {
		if _, err := ratelimit.NewMemory(clock.RealClock{}, registry); (err == nil) != want {
			t.Errorf("error is %v, want none: %t", err, want)
		}
	}
}

// running runs the sweeps until the test ends. Within synctest, the ticker is there when it returns.
func running(t *testing.T, m *ratelimit.Memory) {
	t.Helper()
	go m.Run(t.Context())
	synctest.Wait()
}
