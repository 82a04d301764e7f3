// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"k8s.io/utils/clock"
)

const (
	// leastGap is how much may be allocated at least between two garbage collections. Requests allocate some KiB each, and
	// a collection looks at the whole index: with Go's GOGC=50 that was a third of the processor time at 100,000 keys.
	leastGap = 128 << 20
	// leastPercent is how much the heap may grow between collections however large it is.
	leastPercent = 50
	// paceInterval is how often the size of the heap is looked at.
	paceInterval = 10 * time.Second
)

// paceCollector sets how often garbage is collected by what is alive, until the context ends. Where GOGC says it, it does nothing.
func paceCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	ticker := clock.RealClock{}.NewTicker(paceInterval)
	defer ticker.Stop()
	for {
		debug.SetGCPercent(percentFor(liveHeap()))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// percentFor is the growth of the heap, in per cent, that leaves the gap.
func percentFor(live uint64) int {
	return int(max(leastPercent, leastGap*100/max(live, 1<<20))) //nolint:gosec // G115: at most 12800
}

// liveHeap is how many bytes the last collection found alive.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}

	return sample[0].Value.Uint64()
}
