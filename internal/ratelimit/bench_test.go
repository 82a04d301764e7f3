// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"strconv"
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
		b.Run(name, func(b *testing.B) { benchmark(b, newMemory(b, clock.RealClock{}), limit, keys) })
	}
}

// BenchmarkSharedTake asks a real server on a socket.
func BenchmarkSharedTake(b *testing.B) {
	r := newReplica(b, startServer(b).url(), patient)
	benchmark(b, r, access.Limit{Requests: 1_000_000, Per: time.Second}, 10_000)
	if fellBack, _ := r.metric(b, "fallback_total"); fellBack != 0 {
		b.Errorf("%v requests were not decided by the store", fellBack)
	}
}

// benchmark asks for keys in turn, from all processors at once.
func benchmark(b *testing.B, l limiter, limit access.Limit, keys int64) {
	uids := make([]string, keys)
	for i := range uids {
		uids[i] = "0f8fad5b-d9cb-469f-a165-7086772" + strconv.Itoa(10_000+i)
		l.Take(b.Context(), uids[i], limit)
	}
	b.ReportAllocs()
	var workers atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		for i := workers.Add(keys / 7); pb.Next(); i++ {
			l.Take(ctx, uids[i%keys], limit)
		}
	})
}
