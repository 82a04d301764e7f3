// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// distances are how far away a store is in each direction.
func distances() []time.Duration {
	return []time.Duration{0, 2500 * time.Microsecond, 20 * time.Millisecond}
}

// TestManyAtOnceNeverGetMoreThanTheLimit asks with the time-out that is the default, from the first moment on, while the
// store is well: congestion on this side is not the store's failure, and not a reason to grant more.
func TestManyAtOnceNeverGetMoreThanTheLimit(t *testing.T) {
	for _, way := range distances() {
		for _, atATime := range []int{16, 64, 1000} {
			for _, limit := range []access.Limit{{Requests: 3, Per: time.Minute}, {Requests: 500, Per: time.Hour}} {
				t.Run(fmt.Sprintf("%s away, %d at once, %d in %s", way, atATime, limit.Requests, limit.Per), func(t *testing.T) {
					r := newReplica(t, distant(t, startServer(t), way), 0)
					var granted atomic.Int64
					for range 3 {
						atOnce(atATime, func(int) {
							began := time.Now()
							if r.Take(t.Context(), "a", limit).Granted {
								granted.Add(1)
							}
							if took := time.Since(began); took > bound {
								t.Errorf("a request took %s", took)
							}
						})
					}
					if want := min(int64(limit.Requests), int64(3*atATime)); granted.Load() != want {
						t.Errorf("%d granted, want %d", granted.Load(), want)
					}
					eventually(t, "up", func() bool { up, _ := r.metric(t, "store_up"); return up == 1 })
				})
			}
		}
	}
}

// TestManyKeysAtOnceAreDecidedByTheStore: another replica has used up every key.
func TestManyKeysAtOnceAreDecidedByTheStore(t *testing.T) {
	const keys = 1000
	for _, way := range distances() {
		t.Run(way.String()+" away", func(t *testing.T) {
			s := startServer(t)
			limit := access.Limit{Requests: 1, Per: time.Hour}
			first := newReplica(t, s.url(), patient)
			atOnce(keys, func(i int) {
				if !first.Take(t.Context(), strconv.Itoa(i), limit).Granted {
					t.Errorf("the first request of key %d was refused", i)
				}
			})
			r := newReplica(t, distant(t, s, way), time.Second)
			r.wantUp(t)
			var granted atomic.Int64
			atOnce(keys, func(i int) {
				if r.Take(t.Context(), strconv.Itoa(i), limit).Granted {
					granted.Add(1)
				}
			})
			if granted.Load() != 0 {
				t.Errorf("%d were granted by this replica alone", granted.Load())
			}
			r.wantMetric(t, "fallback_total", 0)
		})
	}
}

// wantUp waits until the store is known to be up, and wants nothing in the log: it never was down.
func (r replica) wantUp(t *testing.T) {
	t.Helper()
	eventually(t, "up", func() bool {
		up, _ := r.metric(t, "store_up")

		return up == 1
	})
	r.wantLog(t)
}
