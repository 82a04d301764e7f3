// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// statusDelay is how long after a change of the status alone an APIKey is reconciled.
//
// Nearly all such changes are the operator's own. When a request is refused, the writes that announce a key and report the refusal would
// start the next attempt at once, past the back-off of the queue. A status that another writer has changed is corrected after statusDelay,
// and after checkDelay where the change is in status.keys or status.secretRef.
const statusDelay = time.Minute

// apikeyHandler queues an APIKey that has changed.
type apikeyHandler struct {
	ledger    *Ledger
	digests   *DigestIndex
	inventory *Inventory
	clock     clock.PassiveClock
}

// APIKeyHandler returns the handler of the watch of APIKeys. The inventory counts them.
func (r *Reconciler) APIKeyHandler(inventory *Inventory) handler.EventHandler {
	return apikeyHandler{ledger: r.Ledger, digests: r.Digests, inventory: inventory, clock: r.Clock}
}

// SecretHandler returns the handler of the watch of the metadata of Secrets. Orphans learns which Secrets lose their APIKey.
func (r *Reconciler) SecretHandler(orphans *Orphans) handler.EventHandler {
	return secretHandler(r.Watched, r.Conflicts, orphans)
}

// Create implements handler.EventHandler.
func (h apikeyHandler) Create(_ context.Context, e ctrlevent.CreateEvent, queue workQueue) {
	priority := priorityOf(e.Object)
	if e.IsInInitialList {
		priority = priorityBehind
	}
	h.index(queue, nil, e.Object)
	enqueue(queue, priority, requestFor(e.Object))
}

// Update implements handler.EventHandler.
func (h apikeyHandler) Update(_ context.Context, e ctrlevent.UpdateEvent, queue workQueue) {
	disputed := h.index(queue, e.ObjectOld, e.ObjectNew)
	switch {
	case e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion(): // a resync
		enqueue(queue, priorityBehind, requestFor(e.ObjectNew))
	case changedForUs(e.ObjectOld, e.ObjectNew):
		enqueue(queue, priorityOf(e.ObjectNew), requestFor(e.ObjectNew))
	case h.keysChangedByOthers(e.ObjectOld, e.ObjectNew):
		enqueueAfter(queue, requestFor(e.ObjectNew), checkDelay)
	default:
		enqueueAfter(queue, requestFor(e.ObjectNew), statusDelay)
	}
	if disputed {
		enqueue(queue, priorityAsked, requestFor(e.ObjectNew))
	}
}

// index puts a change into the indexes, queues the other APIKeys for which a dispute begins or ends with it, and reports whether there are
// any. The argument before is nil for a new APIKey, and after is nil for a deleted one.
func (h apikeyHandler) index(queue workQueue, before, after client.Object) bool {
	was, _ := before.(*v1alpha1.APIKey)
	is, _ := after.(*v1alpha1.APIKey)
	h.inventory.Update(was, is)
	rivals := h.digests.update(was, is)
	for _, name := range rivals {
		enqueue(queue, priorityAsked, reconcile.Request{NamespacedName: name})
	}

	return len(rivals) > 0
}

// keysChangedByOthers reports whether another writer has changed status.keys, status.claimedAt or status.secretRef.
func (h apikeyHandler) keysChangedByOthers(before, after client.Object) bool {
	was, wasKey := before.(*v1alpha1.APIKey)
	is, isKey := after.(*v1alpha1.APIKey)
	if !wasKey || !isKey || equality.Semantic.DeepEqual(was.Status.Keys, is.Status.Keys) &&
		equality.Semantic.DeepEqual(was.Status.SecretRef, is.Status.SecretRef) && was.Status.ClaimedAt.Equal(is.Status.ClaimedAt) {
		return false
	}

	return h.ledger.suspect(is, h.clock.Now())
}

// Delete implements handler.EventHandler.
func (h apikeyHandler) Delete(_ context.Context, e ctrlevent.DeleteEvent, queue workQueue) {
	h.index(queue, e.Object, nil)
	enqueue(queue, priorityBehind, requestFor(e.Object)) // so that the operator drops its state about the object
}

// Generic implements handler.EventHandler.
func (h apikeyHandler) Generic(_ context.Context, e ctrlevent.GenericEvent, queue workQueue) {
	enqueue(queue, priorityFirst, requestFor(e.Object))
}

// priorityOf returns the priority of a user's change of an APIKey.
func priorityOf(obj client.Object) int {
	apikey, ok := obj.(*v1alpha1.APIKey)
	if ok && (apikey.Status.LastRotation != nil || apikey.Spec.Revoked || !apikey.DeletionTimestamp.IsZero()) {
		return priorityAsked
	}

	return priorityFirst
}

func requestFor(obj client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
}

// changedForUs reports whether a field has changed that the operator acts on.
func changedForUs(before, after client.Object) bool {
	return before.GetUID() != after.GetUID() ||
		before.GetGeneration() != after.GetGeneration() ||
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() ||
		before.GetAnnotations()[v1alpha1.RotateAnnotation] != after.GetAnnotations()[v1alpha1.RotateAnnotation] ||
		before.GetAnnotations()[v1alpha1.ClaimAnnotation] != after.GetAnnotations()[v1alpha1.ClaimAnnotation]
}

// secretHandler queues the APIKey that controls a Secret and the APIKeys that wait for its deletion, and raises the high-water mark.
func secretHandler(watched *HighWaterMark, conflicts *Conflicts, orphans *Orphans) handler.EventHandler {
	react := func(queue workQueue, priority int, secrets ...client.Object) {
		for _, secret := range secrets {
			watched.Observe(secret.GetNamespace(), secret.GetResourceVersion())
			if owner := controllingAPIKey(secret); owner != nil {
				enqueue(queue, priority, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: secret.GetNamespace(), Name: owner.Name}})
			}
		}
		for _, name := range conflicts.waitingFor(client.ObjectKeyFromObject(secrets[0])) {
			enqueue(queue, priorityFirst, reconcile.Request{NamespacedName: name})
		}
	}

	return handler.Funcs{
		CreateFunc: func(_ context.Context, e ctrlevent.CreateEvent, queue workQueue) { // nearly always the operator's own
			react(queue, priorityBehind, e.Object)
		},
		UpdateFunc: func(_ context.Context, e ctrlevent.UpdateEvent, queue workQueue) {
			if e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion() { // a resync
				react(queue, priorityBehind, e.ObjectNew)

				return
			}
			orphans.changed(e.ObjectOld, e.ObjectNew)
			react(queue, priorityAsked, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(_ context.Context, e ctrlevent.DeleteEvent, queue workQueue) { // users delete a Secret to rotate its key
			orphans.gone(e.Object)
			react(queue, priorityAsked, e.Object)
		},
	}
}
