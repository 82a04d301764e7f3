// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// workQueue is what handlers put APIKeys into that are to be looked at.
type workQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// FairQueue is a queue in which namespaces take turns, and what was asked for about an existing key comes before first keys.
//
// controller-runtime's own queue has priorities and serves equals in the order in which they came: 3,000 first keys of one
// namespace stand before the only one of another. This one is client-go's queue with an order of its own. It implements
// priorityqueue.PriorityQueue, so that handlers and the controller use it as they use that one.
type FairQueue struct {
	workQueue

	turns *turns
}

var _ priorityqueue.PriorityQueue[reconcile.Request] = (*FairQueue)(nil)

// NewFairQueue returns an empty queue. Its metrics are controller-runtime's, under a name.
func NewFairQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) *FairQueue {
	turns := newTurns()
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: name, Queue: turns})
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{Name: name, Queue: queue})

	return &FairQueue{
		workQueue: workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{
			Name: name, DelayingQueue: delaying,
		}),
		turns: turns,
	}
}

// AddWithOpts adds items with a priority, of which the sign counts, after a while or the back-off.
func (q *FairQueue) AddWithOpts(o priorityqueue.AddOpts, items ...reconcile.Request) {
	c := classFirst
	if o.Priority != nil {
		c = classOf(*o.Priority)
	}
	for _, item := range items {
		q.turns.want(item, c, o.After == 0 && !o.RateLimited)
		switch {
		case o.RateLimited:
			q.workQueue.AddRateLimited(item)
		case o.After > 0:
			q.workQueue.AddAfter(item, o.After)
		default:
			q.workQueue.Add(item)
		}
	}
}

// Add adds an item as a first key.
func (q *FairQueue) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

// AddAfter adds an item as a first key after a while.
func (q *FairQueue) AddAfter(item reconcile.Request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, item)
}

// AddRateLimited adds an item as a first key after the back-off.
func (q *FairQueue) AddRateLimited(item reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

// GetWithPriority takes the item whose turn it is, once there is one. When the queue shuts down, what is left in it stays.
func (q *FairQueue) GetWithPriority() (item reconcile.Request, priority int, shutdown bool) {
	item, shutdown = q.workQueue.Get()
	if shutdown {
		return item, 0, true
	}
	if q.ShuttingDown() {
		q.Done(item)

		return reconcile.Request{}, 0, true
	}

	return item, q.turns.lastOf(item).priority(), false
}

// Get takes the item whose turn it is, once there is one.
func (q *FairQueue) Get() (item reconcile.Request, shutdown bool) {
	item, _, shutdown = q.GetWithPriority()

	return item, shutdown
}

// Done says that an item that was taken has been worked on.
func (q *FairQueue) Done(item reconcile.Request) {
	q.turns.done(item)
	q.workQueue.Done(item)
}

// Forget ends the back-off of an item, and drops the class in which it was to be added later.
func (q *FairQueue) Forget(item reconcile.Request) {
	q.turns.forget(item)
	q.workQueue.Forget(item)
}

// enqueue adds an APIKey with a priority.
func enqueue(queue workQueue, priority int, req reconcile.Request) {
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, req)

		return
	}
	queue.Add(req)
}

// enqueueAfter adds an APIKey that nothing waits for, after a while.
func enqueueAfter(queue workQueue, req reconcile.Request, after time.Duration) {
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: new(priorityBehind), After: after}, req)

		return
	}
	queue.AddAfter(req, after)
}
