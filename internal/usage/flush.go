// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// flushWriters is the number of concurrent writes of Flush, which replaces the budget.
const flushWriters = 8

// newFlushBackoff returns the pauses of Flush: it waits for the watch to show another replica's write, or for the API server.
func newFlushBackoff() wait.Backoff {
	return wait.Backoff{Duration: 20 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 10, Cap: time.Second}
}

// Flush writes every pending use before the process ends, regardless of the budget and of Interval. It returns the number of APIKeys
// that are left when the context ends, plus those that it may not write.
//
// Call it when no more uses are recorded, and while Subjects still follows the watch: if another replica has written meanwhile,
// the watch shows which use is newer.
func (r *Recorder) Flush(ctx context.Context) (left int) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.queue = nil
	work := r.pending()
	notAllowed, backoff := 0, newFlushBackoff()
	for {
		var again []*entry
		for i, got := range r.writeAll(ctx, work) {
			switch got {
			case written, gone:
			case forbidden:
				notAllowed++
			case refused, failed:
				again = append(again, work[i])
			}
		}
		work, left = again, len(again)+notAllowed
		r.metrics.pending.Set(float64(left))
		if len(work) == 0 || !r.sleep(ctx, backoff.Step()) {
			return left
		}
	}
}

// pending returns the entries with a use that is not known to be in the status.
func (r *Recorder) pending() []*entry {
	var pending []*entry
	for _, e := range r.entries.AllRelaxed() {
		if newest := e.newest.Load(); newest != retired && newest > e.stored {
			pending = append(pending, e)
		}
	}

	return pending
}

// writeAll writes entries, several at once, and returns their results. After a failure it begins no other write.
func (r *Recorder) writeAll(ctx context.Context, work []*entry) []result {
	results := make([]result, len(work))
	var taken atomic.Int64
	var stop atomic.Bool
	var writers sync.WaitGroup
	for range min(flushWriters, len(work)) {
		writers.Go(func() {
			for i := taken.Add(1) - 1; i < int64(len(work)); i = taken.Add(1) - 1 {
				if results[i] = failed; stop.Load() {
					continue
				}
				results[i] = r.writeLast(ctx, work[i])
				if results[i] == failed {
					stop.Store(true)
				}
			}
		})
	}
	writers.Wait()

	return results
}

// writeLast writes one entry, if it has a pending use and no known conflict.
func (r *Recorder) writeLast(ctx context.Context, e *entry) result {
	switch {
	case ctx.Err() != nil:
		return failed
	case !r.hasPending(e):
		return written
	case e.stored == e.conflict: // the watch does not show the other use yet
		return refused
	default:
		return r.write(ctx, e)
	}
}

// sleep waits. It returns false if the context ends first.
func (r *Recorder) sleep(ctx context.Context, d time.Duration) bool {
	timer := r.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}
