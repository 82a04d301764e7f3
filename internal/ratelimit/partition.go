// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// A partition without an answer since the last probe is probed about once a second, and sooner after it failed.
const (
	probeInterval = time.Second
	firstProbe    = 50 * time.Millisecond
)

// maxBatch bounds the keys of one batch. Redis does nothing else while it executes a script.
const maxBatch = 256

// errGone answers the requests that wait when a partition goes down.
var errGone = errors.New("the store does not answer")

// partition is a part of the store that can fail independently: the whole store, or some slots of a cluster. It has its own
// queue, so that requests never wait for those of another partition, and a few senders, each with its own connection.
type partition struct {
	health

	store    *store
	local    *Memory
	clock    clock.WithTicker
	queue    *queue
	probeUID string
	// heard is true if there was an answer since the last probe was due.
	heard atomic.Bool
	// probeSoon makes the prober return to its shortest interval.
	probeSoon chan struct{}
}

// send sends batches until the context ends. It begins with a probe, which connects.
func (p *partition) send(ctx context.Context) {
	p.probe(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.queue.wake:
			p.serve(ctx, p.queue.next(maxBatch))
		}
	}
}

// watch probes the store about once a second while there are no answers: before the first answer, during an outage, and while
// there are no requests.
func (p *partition) watch(ctx context.Context) {
	wait := firstProbe
	timer := p.clock.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.probeSoon:
			wait = firstProbe
		case <-timer.C():
			if !p.heard.Swap(false) {
				p.probe(ctx)
			}
			if wait = min(2*wait, probeInterval); p.usable() {
				wait = probeInterval
			}
		}
		timer.Reset(wait)
	}
}

// probe takes a request for a uid that no APIKey has, which shows whether the store can write.
func (p *partition) probe(ctx context.Context) {
	limit := access.Limit{Requests: maxRequests, Per: minPer}
	p.record(ctx, p.store.run(ctx, []take{{uid: p.probeUID, limit: limit, count: 1}}))
}

// record records whether the store answered. If the partition goes down, the requests that wait are answered without it.
func (p *partition) record(ctx context.Context, replies []reply) {
	var failure error
	for _, r := range replies {
		if r.err != nil {
			failure = r.err
		}
	}
	switch {
	case failure == nil:
		p.heard.Store(true)
		p.answered()
	case ctx.Err() != nil: // Close causes the failure, not the store
	default:
		p.store.refresh(ctx)
		if p.failed(p.store.explain(failure)) {
			p.heard.Store(false)
			p.flush()
			select {
			case p.probeSoon <- struct{}{}:
			default:
			}
		}
	}
}

// serve sends a batch to the store and answers its requests.
func (p *partition) serve(ctx context.Context, batch []*demand) {
	if len(batch) == 0 {
		return
	}
	asked := p.local.now()
	takes := make([]take, len(batch))
	for i, d := range batch {
		takes[i] = take{uid: d.uid, limit: d.limit, count: d.count, taken: d.bucket.confirmed(asked + p.store.budget())}
	}
	replies := p.store.run(ctx, takes)
	for i, d := range batch {
		p.answer(d, &replies[i], asked)
	}
	p.record(ctx, replies)
}

// answer answers the requests of one key. Requests that no longer wait were granted by the replica's own bucket, so what the
// store granted counts for them first.
func (p *partition) answer(d *demand, r *reply, asked time.Duration) {
	if r.err != nil {
		p.answerError(d, r.err)

		return
	}
	left := d.count // reserved requests that no longer wait
	waiting := make([]*waiter, 0, len(d.waiters))
	for _, w := range d.waiters {
		if w.beginAnswer() {
			waiting = append(waiting, w)
		}
	}
	for _, w := range waiting {
		if w.reserved {
			left--
		}
	}
	granted := max(0, r.granted-left)
	refused := max(0, d.count-left-granted)
	p.local.settle(d.uid, d.bucket, refused, asked, r.reset)
	d.bucket.pending.Add(-int32(d.count)) //nolint:gosec // as many as were added
	request := d.bucket.pace.duration(d.bucket.pace.interval)
	for _, w := range waiting {
		quota := access.Quota{Remaining: r.remaining, RetryAfter: r.wait, Reset: r.reset}
		if w.reserved && granted > 0 {
			granted--
			quota.Granted = true
			quota.Remaining += granted
			quota.Reset -= time.Duration(granted) * request
			if granted > 0 {
				quota.RetryAfter = 0
			}
		}
		w.answer <- answer{quota: quota}
	}
}

// answerError answers the requests of one key with an error: the replica's own bucket decides them.
func (p *partition) answerError(d *demand, err error) {
	d.bucket.pending.Add(-int32(d.count)) //nolint:gosec // as many as were added
	for _, w := range d.waiters {
		if w.beginAnswer() {
			w.answer <- answer{err: err}
		}
	}
}

// flush answers all requests that wait with errGone.
func (p *partition) flush() {
	for {
		batch := p.queue.next(maxBatch)
		if len(batch) == 0 {
			return
		}
		for _, d := range batch {
			p.answerError(d, errGone)
		}
	}
}
