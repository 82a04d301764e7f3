// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// period is how often Run looks for uses to write: a first use shows in the status about that soon.
const period = time.Second

// Waits while the API server is away, doubling from the first to the last.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// firstBackoff is the sequence of waits. The jitter keeps replicas apart that lost the API server at the same time.
func firstBackoff() wait.Backoff {
	return wait.Backoff{Duration: firstRetry, Factor: 2, Jitter: 0.2, Steps: 10, Cap: lastRetry}
}

// Run writes what is due, once a second, until the context ends. Flush then writes the rest.
func (r *Recorder) Run(ctx context.Context) {
	ticker := r.clock.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			r.pass(ctx)
		}
	}
}

// pass writes what is due and within the budget.
func (r *Recorder) pass(ctx context.Context) {
	r.writing.Lock()
	defer r.writing.Unlock()
	now := r.clock.Now()
	r.sweep(now)
	if now.Before(r.resumeAt) {
		return
	}
	for ; len(r.queue) > 0 && ctx.Err() == nil; r.queue = r.queue[1:] {
		e := r.queue[0]
		if !r.due(e, now) {
			continue
		}
		if !r.budget.AllowN(now, 1) {
			return
		}
		if r.write(ctx, e) == failed {
			r.retreat(ctx, e, now)

			return
		}
		r.backoff, r.resumeAt = firstBackoff(), time.Time{}
	}
}

// sweep counts what is pending, retires what is idle, and fills the queue once it is empty: so every key has its turn
// before any has its second, however small the budget.
func (r *Recorder) sweep(now time.Time) {
	pending, refill := 0, len(r.queue) == 0
	for _, e := range r.entries.AllRelaxed() {
		newest := e.newest.Load()
		switch {
		case newest == retired:
		case newest > e.stored:
			pending++
			if refill && now.Unix() >= e.notBefore {
				r.queue = append(r.queue, e)
			}
		case now.Unix() >= e.notBefore && now.Sub(time.Unix(newest, 0)) > Interval && e.retire(newest):
			r.remove(e)
		}
	}
	r.metrics.pending.Set(float64(pending))
}

// due says whether an entry is to be written now. If it is too soon, it says in the entry when it will be time.
func (r *Recorder) due(e *entry, now time.Time) bool {
	if !r.outstanding(e) {
		return false
	}
	if next := time.Unix(e.stored, 0).Add(Interval); e.stored != never && now.Before(next) {
		e.notBefore = next.Unix()
	}

	return now.Unix() >= e.notBefore
}

// outstanding says whether a use is newer than what the watch shows, and drops the entry of an APIKey that is gone.
func (r *Recorder) outstanding(e *entry) bool {
	lastUsedAt, live := r.statuses.Known(e.subject)
	if !live {
		r.drop(e)

		return false
	}
	e.see(lastUsedAt)
	newest := e.newest.Load()

	return newest != retired && newest > e.stored
}

// retreat waits longer after each failure. The entry goes to the end of the line,
// so that an APIKey that the API server chokes on does not hold up the others.
func (r *Recorder) retreat(ctx context.Context, e *entry, now time.Time) {
	r.queue = r.queue[1:]
	if ctx.Err() != nil {
		return // it was cut short
	}
	pause := r.backoff.Step()
	e.rest(now, pause)
	r.resumeAt = now.Add(pause)
}
