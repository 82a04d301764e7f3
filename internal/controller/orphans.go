// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// OrphanGrace is how long the Secret of an APIKey stays that was deleted without its dependents, as
// kubectl delete --cascade=orphan does. Its key has stopped with the APIKey.
const OrphanGrace = time.Hour

// eventOrphaned: a Secret was deleted whose APIKey was deleted without it.
const eventOrphaned = "Orphaned"

// Orphans deletes Secrets that an APIKey has let go of, after a while. It knows those that it has seen being let go of: a Secret
// without an owner may as well be a clone that something else has made, and is left alone. A nil *Orphans does nothing.
type Orphans struct {
	secrets  client.Client
	apikeys  client.Reader
	clock    clock.WithTicker
	recorder EventRecorder
	grace    time.Duration

	mu    sync.Mutex
	since map[types.NamespacedName]orphan
}

// orphan is a Secret that an APIKey has let go of at a time.
type orphan struct {
	uid   types.UID
	owner metav1.OwnerReference
	at    time.Time
}

// NewOrphans returns Orphans that delete after a while. Start runs them.
func NewOrphans(secrets client.Client, apikeys client.Reader, clock clock.WithTicker, recorder EventRecorder, grace time.Duration) *Orphans {
	return &Orphans{secrets: secrets, apikeys: apikeys, clock: clock, recorder: recorder, grace: grace, since: map[types.NamespacedName]orphan{}}
}

// changed notes a Secret that an APIKey lets go of, and forgets one that has an owner again.
func (o *Orphans) changed(before, after client.Object) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch name, owner := client.ObjectKeyFromObject(after), controllingAPIKey(before); {
	case controllingAPIKey(after) != nil:
		delete(o.since, name)
	case owner != nil && before.GetUID() == after.GetUID():
		o.since[name] = orphan{after.GetUID(), *owner, o.clock.Now()}
	}
}

// gone forgets a Secret.
func (o *Orphans) gone(secret client.Object) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.since, client.ObjectKeyFromObject(secret))
}

// Start deletes orphans whose grace is over until the context ends. It implements manager.Runnable.
func (o *Orphans) Start(ctx context.Context) error {
	ticker := o.clock.NewTicker(min(o.grace/4, time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			for name, which := range o.due() {
				o.remove(ctx, name, which)
			}
		}
	}
}

// due returns the orphans whose grace is over.
func (o *Orphans) due() map[types.NamespacedName]orphan {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := map[types.NamespacedName]orphan{}
	for name, which := range o.since {
		if o.clock.Since(which.at) >= o.grace {
			due[name] = which
		}
	}

	return due
}

// owned reports whether the APIKey that has let go of a Secret is there and not about to go. Then it reports a conflict itself,
// and its key works on.
func (o *Orphans) owned(ctx context.Context, namespace string, owner metav1.OwnerReference) bool {
	apikey := &v1alpha1.APIKey{}
	err := o.apikeys.Get(ctx, types.NamespacedName{Namespace: namespace, Name: owner.Name}, apikey)

	return client.IgnoreNotFound(err) != nil || err == nil && apikey.UID == owner.UID && apikey.DeletionTimestamp.IsZero()
}

// remove deletes an orphan, if it still is the Secret that was let go of and has no owner. One that cannot be deleted now
// is tried again at the next tick.
func (o *Orphans) remove(ctx context.Context, name types.NamespacedName, which orphan) {
	log := ctrl.LoggerFrom(ctx)
	secret := &corev1.Secret{}
	if err := o.secrets.Get(withoutLogs(ctx), name, secret); client.IgnoreNotFound(err) != nil {
		log.Error(err, "Cannot read a Secret that an APIKey has let go of", "secret", name)

		return
	}
	if o.owned(ctx, name.Namespace, which.owner) {
		return
	}
	if secret.UID != which.uid || secret.Type != v1alpha1.SecretType || len(secret.OwnerReferences) > 0 {
		o.gone(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}})

		return
	}
	err := o.secrets.Delete(withoutLogs(ctx), secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		log.Info("Cannot delete a Secret that an APIKey has let go of", "secret", name, "error", redacted(err.Error()))

		return
	}
	bare := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID}}
	o.recorder.Eventf(bare, nil, corev1.EventTypeNormal, eventOrphaned, actionEnd, "%s",
		"The Secret was deleted: its APIKey was deleted without it, and its key is refused")
}
