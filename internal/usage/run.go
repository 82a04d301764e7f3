// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// period is how often Run looks for uses to write. A first use shows in the status after about this time.
const period = time.Second

// The pause after a failed write doubles from firstRetry to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// newBackoff returns the sequence of pauses. The jitter separates replicas that lost the API server at the same time.
func newBackoff() wait.Backoff {
	return wait.Backoff{Duration: firstRetry, Factor: 2, Jitter: 0.2, Steps: 10, Cap: lastRetry}
}

// Run writes the uses that are due, once a second, until the context ends. Flush then writes the rest.
func (r *Recorder) Run(ctx context.Context) {
	ticker := r.clock.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			r.writeDue(ctx)
		}
	}
}

// writeDue writes the uses that are due and within the budget. It stops at the first failed write.
func (r *Recorder) writeDue(ctx context.Context) {
	r.writing.Lock()
	defer r.writing.Unlock()
	now := r.clock.Now()
	r.sweep(now)
	if now.Before(r.resumeAt) {
		return
	}
	for ; len(r.queue) > 0 && ctx.Err() == nil; r.queue = r.queue[1:] {
		e := r.queue[0]
		if !r.isDue(e, now) {
			continue
		}
		if !r.budget.AllowN(now, 1) {
			return
		}
		if r.write(ctx, e) == failed {
			r.backOff(ctx, e, now)

			return
		}
		r.backoff, r.resumeAt = newBackoff(), time.Time{}
	}
}

// sweep counts pending entries, retires idle ones, and refills the queue once it is empty: every APIKey has its turn
// before any has its second, however small the budget is.
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

// isDue returns whether an entry is to be written now. If it is too early, isDue sets notBefore.
func (r *Recorder) isDue(e *entry, now time.Time) bool {
	if !r.hasPending(e) {
		return false
	}
	if next := time.Unix(e.stored, 0).Add(Interval); e.stored != neverUsed && now.Before(next) {
		e.notBefore = next.Unix()
	}

	return now.Unix() >= e.notBefore
}

// hasPending returns whether the newest use is newer than the status in the watch. It drops the entry if the APIKey is gone.
func (r *Recorder) hasPending(e *entry) bool {
	subject := r.subjects.Subject(e.namespace, e.name, e.uid)
	if subject == nil {
		r.drop(e)

		return false
	}
	e.seeStored(subject.LastUsedAt)
	newest := e.newest.Load()

	return newest != retired && newest > e.stored
}

// backOff pauses all writes after a failure, longer each time. It takes the entry out of the queue, so that one APIKey
// whose writes fail does not hold up the others.
func (r *Recorder) backOff(ctx context.Context, e *entry, now time.Time) {
	r.queue = r.queue[1:]
	if ctx.Err() != nil {
		return // the write failed because Run ends
	}
	pause := r.backoff.Step()
	e.delay(now, pause)
	r.resumeAt = now.Add(pause)
}
