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

// flushWriters is how many writes Flush has under way at once, which is what bounds it instead of the budget.
const flushWriters = 8

// flushBackoff is how long Flush waits for the watch to show another replica's write, or for an API server that is away.
func flushBackoff() wait.Backoff {
	return wait.Backoff{Duration: 20 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 10, Cap: time.Second}
}

// Flush writes every use that is pending, for a clean end: without the budget, and without regard to Interval.
// It returns how many keys are left when the context ends, plus those that it is not allowed to write.
//
// Call it when no more uses are recorded, and while Statuses still follow the watch: where another replica
// has written meanwhile, the watch tells whose use is newer.
func (r *Recorder) Flush(ctx context.Context) (left int) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.queue = nil
	work := r.pending()
	barred, backoff := 0, flushBackoff()
	for {
		var again []*entry
		for i, result := range r.writeAll(ctx, work) {
			switch result {
			case written, gone:
			case forbidden:
				barred++
			case refused, failed:
				again = append(again, work[i])
			}
		}
		work, left = again, len(again)+barred
		r.metrics.pending.Set(float64(left))
		if len(work) == 0 || !r.pause(ctx, backoff.Step()) {
			return left
		}
	}
}

// pending are the entries with a use that is not known to be in the status.
func (r *Recorder) pending() []*entry {
	var pending []*entry
	for _, e := range r.entries.AllRelaxed() {
		if newest := e.newest.Load(); newest != retired && newest > e.stored {
			pending = append(pending, e)
		}
	}

	return pending
}

// writeAll writes entries, several at once, and returns what came of each. After a failure it begins no more.
func (r *Recorder) writeAll(ctx context.Context, work []*entry) []outcome {
	results := make([]outcome, len(work))
	var taken atomic.Int64
	var away atomic.Bool
	var writers sync.WaitGroup
	for range min(flushWriters, len(work)) {
		writers.Go(func() {
			for i := taken.Add(1) - 1; i < int64(len(work)); i = taken.Add(1) - 1 {
				if results[i] = failed; away.Load() {
					continue
				}
				results[i] = r.writeLast(ctx, work[i])
				if results[i] == failed {
					away.Store(true)
				}
			}
		})
	}
	writers.Wait()

	return results
}

// writeLast writes one entry, if there is still something to write and the API server is not known to refuse it.
func (r *Recorder) writeLast(ctx context.Context, e *entry) outcome {
	switch {
	case ctx.Err() != nil:
		return failed
	case !r.outstanding(e):
		return written
	case e.stored == e.refused: // the watch does not show yet what the API server refused it for
		return refused
	default:
		return r.write(ctx, e)
	}
}

// pause waits, and returns false if the context ends before.
func (r *Recorder) pause(ctx context.Context, d time.Duration) bool {
	timer := r.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}
