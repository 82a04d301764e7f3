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

// A part of the store that has not answered since is asked about once a second, and sooner at first after it has failed.
const (
	probeInterval = time.Second
	firstProbe    = 50 * time.Millisecond
)

// maxBatch is how many keys are asked about at once, at most: Redis does nothing else meanwhile.
const maxBatch = 256

// errGone answers requests that were waiting when a part of the store was given up.
var errGone = errors.New("the store does not answer")

// partition is a part of the store that can fail by itself: the whole of it, or some slots of a cluster. It has its own
// queue, so that requests never wait for those of another part, and a few senders, each with a connection.
type partition struct {
	health

	store    *store
	local    *Memory
	clock    clock.WithTicker
	queue    *queue
	probeUID string
	// heard says whether there was an answer since the last look.
	heard atomic.Bool
	// doubt has the prober look soon.
	doubt chan struct{}
}

// send sends batches until the context ends. It connects first.
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

// watch asks the store about once a second while it is silent: before its first answer, while it fails, and while there is
// nothing to ask.
func (p *partition) watch(ctx context.Context) {
	wait := firstProbe
	timer := p.clock.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.doubt:
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

// probe takes a request of a key that nothing has, so that the store shows whether it can write.
func (p *partition) probe(ctx context.Context) {
	limit := access.Limit{Requests: maxRequests, Per: minPer}
	p.note(ctx, p.store.run(ctx, []take{{uid: p.probeUID, limit: limit, count: 1}}))
}

// note notes whether the store has answered. When it is given up, those who wait go on without it.
func (p *partition) note(ctx context.Context, replies []reply) {
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
	case ctx.Err() != nil: // it is this side that ends
	default:
		p.store.refresh(ctx)
		if p.failed(p.store.explain(failure)) {
			p.heard.Store(false)
			p.flush()
			select {
			case p.doubt <- struct{}{}:
			default:
			}
		}
	}
}

// serve asks the store for the requests of a batch, and answers them.
func (p *partition) serve(ctx context.Context, batch []*demand) {
	if len(batch) == 0 {
		return
	}
	asked := p.local.now()
	takes := make([]take, len(batch))
	for i, d := range batch {
		takes[i] = take{uid: d.uid, limit: d.limit, count: d.count, known: d.bucket.known(asked + p.store.budget())}
	}
	replies := p.store.run(ctx, takes)
	for i, d := range batch {
		p.answer(d, &replies[i], asked)
	}
	p.note(ctx, replies)
}

// answer answers the requests of one key. Those that have gone on without an answer were granted by the replica's own
// bucket: what the store has granted counts for them first.
func (p *partition) answer(d *demand, r *reply, asked time.Duration) {
	if r.err != nil {
		p.refuse(d, r.err)

		return
	}
	left := d.count // reserved and not told
	told := make([]*waiter, 0, len(d.waiters))
	for _, w := range d.waiters {
		if w.claim() {
			told = append(told, w)
		}
	}
	for _, w := range told {
		if w.reserved {
			left--
		}
	}
	granted := max(0, r.granted-left)
	refused := max(0, d.count-left-granted)
	p.local.settle(d.uid, d.bucket, refused, asked, r.reset)
	d.bucket.pending.Add(-int32(d.count)) //nolint:gosec // as many as were added
	request := d.bucket.pace.duration(d.bucket.pace.interval)
	for _, w := range told {
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

// refuse tells the requests of one key that the store has not decided them.
func (p *partition) refuse(d *demand, err error) {
	d.bucket.pending.Add(-int32(d.count)) //nolint:gosec // as many as were added
	for _, w := range d.waiters {
		if w.claim() {
			w.answer <- answer{err: err}
		}
	}
}

// flush tells all requests that wait that the store does not decide them.
func (p *partition) flush() {
	for {
		batch := p.queue.next(maxBatch)
		if len(batch) == 0 {
			return
		}
		for _, d := range batch {
			p.refuse(d, errGone)
		}
	}
}
