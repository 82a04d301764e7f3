// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// workQueue is the queue into which handlers put APIKeys.
type workQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// FairQueue is a queue in which namespaces take turns, and requests about existing keys come before first keys.
//
// controller-runtime's own queue serves items of equal priority in the order of their arrival: 3,000 first keys of one namespace come before
// the only one of another. FairQueue is client-go's queue with another order. It implements priorityqueue.PriorityQueue, so handlers and the
// controller use it like controller-runtime's.
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

// AddWithOpts adds items at once, after a delay, or after the back-off. Of the priority only the sign counts.
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

// GetWithPriority waits for an item and takes the one whose turn it is. After a shutdown it returns no item, and the rest stays in the queue.
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

// Get waits for an item and takes the one whose turn it is.
func (q *FairQueue) Get() (item reconcile.Request, shutdown bool) {
	item, _, shutdown = q.GetWithPriority()

	return item, shutdown
}

// Done marks an item as finished that was taken before.
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

// enqueueAfter adds an APIKey in the lowest class, after a delay.
func enqueueAfter(queue workQueue, req reconcile.Request, after time.Duration) {
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: new(priorityBehind), After: after}, req)

		return
	}
	queue.AddAfter(req, after)
}
