// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/internal/controller"
)

// queue is a work queue in simulated time. It keeps the contract of client-go's: an item is in the queue once, and an item that is added
// while it is processed comes again afterwards. The order is that of the names; steps choose among the items.
type queue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]

	now     func() time.Time
	limiter *controller.Failures
	ready   map[reconcile.Request]bool
	running map[reconcile.Request]bool
	delayed map[reconcile.Request]time.Time
}

func newQueue(now func() time.Time, limiter *controller.Failures) *queue {
	return &queue{
		now: now, limiter: limiter,
		ready: map[reconcile.Request]bool{}, running: map[reconcile.Request]bool{}, delayed: map[reconcile.Request]time.Time{},
	}
}

// Add implements workqueue.TypedInterface.
func (q *queue) Add(item reconcile.Request) { q.ready[item] = true }

// AddAfter implements workqueue.TypedDelayingInterface. Of several times the earliest counts.
func (q *queue) AddAfter(item reconcile.Request, after time.Duration) {
	at := q.now().Add(after)
	if due, waits := q.delayed[item]; !waits || at.Before(due) {
		q.delayed[item] = at
	}
}

// AddRateLimited implements workqueue.TypedRateLimitingInterface.
func (q *queue) AddRateLimited(item reconcile.Request) { q.AddAfter(item, q.limiter.When(item)) }

// Forget implements workqueue.TypedRateLimitingInterface.
func (q *queue) Forget(item reconcile.Request) { q.limiter.Forget(item) }

// items returns what can be processed now, in order.
func (q *queue) items() []reconcile.Request {
	now := q.now()
	for item, due := range q.delayed {
		if !due.After(now) {
			delete(q.delayed, item)
			q.ready[item] = true
		}
	}
	if len(q.ready) == 0 {
		return nil
	}
	var items []reconcile.Request
	for item := range q.ready {
		if !q.running[item] {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b reconcile.Request) int { return cmp.Compare(a.Name, b.Name) })

	return items
}

// take begins to process an item.
func (q *queue) take(item reconcile.Request) {
	delete(q.ready, item)
	q.running[item] = true
}

// finish ends the processing of an item with a result, as controller-runtime does.
func (q *queue) finish(item reconcile.Request, result reconcile.Result, err error) {
	delete(q.running, item)
	switch {
	case err != nil:
		q.AddRateLimited(item)
	case result.RequeueAfter > 0:
		q.Forget(item)
		q.AddAfter(item, result.RequeueAfter)
	default:
		q.Forget(item)
	}
}

// next returns the earliest time at which a delayed item is due.
func (q *queue) next() (time.Time, bool) {
	if len(q.delayed) == 0 {
		return time.Time{}, false
	}

	return slices.MinFunc(slices.Collect(maps.Values(q.delayed)), time.Time.Compare), true
}
