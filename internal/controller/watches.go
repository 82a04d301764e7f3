// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// statusDelay is how long after a change of nothing but the status an APIKey is looked at again.
//
// Nearly all such changes are the operator's own. When a request is refused, the writes that announce a key and report
// the refusal would set off the next attempt at once and again, past the queue's back-off. Somebody else's change
// of a status, a backup that was restored for instance, is put right after this time.
const statusDelay = time.Minute

// workQueue is what handlers put APIKeys into that are to be looked at.
type workQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// queueLater queues an APIKey behind those that somebody waits for.
func queueLater(queue workQueue, name types.NamespacedName) {
	req := reconcile.Request{NamespacedName: name}
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, req)

		return
	}
	queue.Add(req)
}

// apikeyHandler queues an APIKey that has changed.
type apikeyHandler struct {
	handler.EnqueueRequestForObject
}

// Update implements handler.EventHandler.
func (h *apikeyHandler) Update(ctx context.Context, e ctrlevent.UpdateEvent, queue workQueue) {
	if changedForUs(e.ObjectOld, e.ObjectNew) {
		h.EnqueueRequestForObject.Update(ctx, e, queue)

		return
	}
	queue.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)}, statusDelay)
}

// changedForUs says whether something changed that asks for an action, or nothing did: then it is a resync.
func changedForUs(before, after client.Object) bool {
	return before.GetResourceVersion() == after.GetResourceVersion() ||
		before.GetUID() != after.GetUID() ||
		before.GetGeneration() != after.GetGeneration() ||
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() ||
		before.GetAnnotations()[v1alpha1.RotateAnnotation] != after.GetAnnotations()[v1alpha1.RotateAnnotation]
}

// apikeysOf maps a Secret to the APIKey that controls it and to those that wait for it to go, and notes how far the watch has come.
func apikeysOf(watched *Frontier, conflicts *Conflicts) handler.MapFunc {
	return func(_ context.Context, secret client.Object) []reconcile.Request {
		watched.Observe(secret.GetResourceVersion())
		var requests []reconcile.Request
		for _, name := range conflicts.waitingFor(client.ObjectKeyFromObject(secret)) {
			requests = append(requests, reconcile.Request{NamespacedName: name})
		}
		if owner := controllingAPIKey(secret); owner != nil {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: secret.GetNamespace(), Name: owner.Name}})
		}

		return requests
	}
}
