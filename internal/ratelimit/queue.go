// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"sync"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// The bounds of a queue. The replica's own buckets decide what exceeds them, and never grant more than the limit.
const (
	maxKeys    = 8192      // keys with requests in a queue
	maxWaiters = 32 * 1024 // requests that wait for answers of one queue
	maxPerKey  = 4096      // of them, for one key, so that no key keeps the others out
)

// demand holds the requests of one key that are sent together.
type demand struct {
	uid     string
	limit   access.Limit
	bucket  *bucket
	count   int64 // requests that were reserved
	waiters []*waiter
}

// queue holds the requests that wait to be sent. It merges requests of the same key: each batch asks once about a key,
// however many of its requests wait.
type queue struct {
	mu      sync.Mutex
	demands map[*bucket]*demand
	order   []*demand
	waiting int
	// wake has an entry for each sender that should call next.
	wake chan struct{}
}

func newQueue(senders int) *queue {
	return &queue{demands: map[*bucket]*demand{}, wake: make(chan struct{}, senders)}
}

// add adds a request, and returns false if there is no room for its waiter. A reserved request is sent even then, unless there
// are maxKeys keys in the queue: add then releases it.
func (q *queue) add(uid string, limit access.Limit, b *bucket, reserved bool, w *waiter) bool {
	q.mu.Lock()
	d, ok := q.demands[b]
	if !ok && len(q.order) >= maxKeys {
		q.mu.Unlock()
		if reserved {
			b.pending.Add(-1)
		}

		return false
	}
	if !ok {
		d = &demand{uid: uid, limit: limit, bucket: b}
		q.demands[b] = d
		q.order = append(q.order, d)
	}
	if reserved {
		d.count++
	}
	room := len(d.waiters) < maxPerKey && q.waiting < maxWaiters
	if room {
		d.waiters = append(d.waiters, w)
		q.waiting++
	}
	q.mu.Unlock()
	q.signal()

	return room
}

// signal wakes a sender, unless all of them are woken already.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next removes and returns at most so many demands, the oldest first.
func (q *queue) next(most int) []*demand {
	q.mu.Lock()
	batch := q.order[:min(most, len(q.order)):min(most, len(q.order))]
	q.order = q.order[len(batch):]
	for _, d := range batch {
		delete(q.demands, d.bucket)
		q.waiting -= len(d.waiters)
	}
	left := len(q.order) > 0
	if !left {
		q.order = nil // otherwise the array would keep what was sent
	}
	q.mu.Unlock()
	if left {
		q.signal()
	}

	return batch
}
