// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// BenchmarkMemoryTake asks for keys that are known: one that everybody uses, and many.
func BenchmarkMemoryTake(b *testing.B) {
	limit := access.Limit{Requests: 1_000_000, Per: time.Second}
	for name, keys := range map[string]int64{"one key": 1, "10000 keys": 10_000} {
		b.Run(name, func(b *testing.B) { benchmark(b, newMemory(b, clock.RealClock{}), limit, keys, 1) })
	}
}

// BenchmarkSharedTake asks a real server on a socket, with few and with many requests at once, about many keys, one key, and
// one key that has used up its limit.
func BenchmarkSharedTake(b *testing.B) {
	wide, narrow := access.Limit{Requests: 1_000_000, Per: time.Second}, access.Limit{Requests: 1, Per: 24 * time.Hour}
	for _, c := range []struct {
		name  string
		limit access.Limit
		keys  int64
	}{{"10000 keys", wide, 10_000}, {"one key", wide, 1}, {"one key used up", narrow, 1}} {
		for _, atOnce := range []int{1, 8, 64, 512} {
			b.Run(c.name+"/"+strconv.Itoa(atOnce)+" at once", func(b *testing.B) {
				r := newReplica(b, startServer(b).url(), patient)
				benchmark(b, r, c.limit, c.keys, atOnce)
				if fellBack, _ := r.metric(b, "fallback_total"); fellBack != 0 {
					b.Errorf("%v requests were not decided by the store", fellBack)
				}
			})
		}
	}
}

// benchmark asks for keys in turn, with so many requests at once on each processor.
func benchmark(b *testing.B, l limiter, limit access.Limit, keys int64, atOnce int) {
	uids := make([]string, keys)
	for i := range uids {
		uids[i] = "0f8fad5b-d9cb-469f-a165-7086772" + strconv.Itoa(10_000+i)
		l.Take(b.Context(), uids[i], limit)
	}
	b.ReportAllocs()
	b.SetParallelism(atOnce)
	b.ResetTimer()
	var workers atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		var own []time.Duration
		for i := workers.Add(keys / 7); pb.Next(); i++ {
			if i%16 != 0 {
				l.Take(ctx, uids[i%keys], limit)

				continue
			}
			began := time.Now()
			l.Take(ctx, uids[i%keys], limit)
			own = append(own, time.Since(began))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, own...)
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "takes/s")
	if slices.Sort(all); len(all) > 0 {
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
	}
}
