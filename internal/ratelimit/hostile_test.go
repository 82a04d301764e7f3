// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// TestCallerThatGoesAwayIsNoOutage: clients hang up all the time, before and while their request waits.
func TestCallerThatGoesAwayIsNoOutage(t *testing.T) {
	for _, way := range distances() {
		t.Run(way.String()+" away", func(t *testing.T) {
			r := newReplica(t, distant(t, startServer(t), way), patient)
			limit := access.Limit{Requests: 400, Per: day}
			atOnce(300, func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
				defer cancel()
				if i%2 == 0 {
					cancel()
				}
				r.Take(ctx, "hostile", limit)
			})
			if got := r.Take(t.Context(), "hostile", limit); got.Remaining != 99 {
				t.Errorf("%d remain, want 99: who hangs up has made the request", got.Remaining)
			}
			if got := r.Take(t.Context(), "honest", limit); got.Remaining != 399 {
				t.Errorf("%d remain for another key, want 399", got.Remaining)
			}
			r.wantMetric(t, "fallback_total", 0)
			r.wantUp(t)
		})
	}
}

// TestFloodOfOneKeyHoldsUpNoOther: a client asks with more requests at once than may wait, and with a limit so high that its
// own bucket refuses none of them. Another key is decided by the store meanwhile, over no more connections than there were.
func TestFloodOfOneKeyHoldsUpNoOther(t *testing.T) {
	const flood = 20_000
	s := startServer(t)
	p := startProxy(t, s, 2500*time.Microsecond)
	r := newReplica(t, distantURL(p), patient)
	r.wantUp(t)
	high, low := access.Limit{Requests: 1000, Burst: 1_000_000, Per: day}, access.Limit{Requests: 50, Per: day}
	other := newReplica(t, s.url(), patient)
	var ended atomic.Bool
	var flooding sync.WaitGroup
	flooding.Go(func() {
		defer ended.Store(true)
		atOnce(flood, func(int) { r.Take(t.Context(), "hostile", high) })
	})
	asked := int64(0)
	for !ended.Load() || asked < 10 {
		replica := []replica{r, other}[asked%2]
		asked++
		if got := replica.Take(t.Context(), "honest", low); asked <= 50 && got.Remaining != 50-asked {
			t.Errorf("%d remain, want %d: the store counts for both replicas", got.Remaining, 50-asked)
		}
	}
	flooding.Wait()
	if got := r.Take(t.Context(), "hostile", high); got.Remaining != 1_000_000-flood-1 {
		t.Errorf("%d requests were counted, want %d", 1_000_000-got.Remaining, flood+1)
	}
	if got := p.connections(); got > 9 {
		t.Errorf("%d connections, want at most 9", got)
	}
	r.wantUp(t)
}

// TestRequestsStartNothing: what works in the background does not grow with the requests, also while the store hangs.
func TestRequestsStartNothing(t *testing.T) {
	s := startServer(t)
	p := startProxy(t, s, 20*time.Millisecond)
	r := newReplica(t, distantURL(p), time.Second)
	r.wantUp(t)
	before := runtime.NumGoroutine()
	var most atomic.Int64
	for range 3 {
		atOnce(1000, func(i int) {
			r.Take(t.Context(), strconv.Itoa(i), access.Limit{Requests: 2, Per: day})
			for now := int64(runtime.NumGoroutine()); ; {
				if seen := most.Load(); seen >= now || most.CompareAndSwap(seen, now) {
					return
				}
			}
		})
	}
	if grown := int(most.Load()) - before - 1000; grown > 50 {
		t.Errorf("there were %d goroutines more than requests", grown)
	}
}
