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

// OrphanGrace is how long the Secret stays when its APIKey was deleted without dependents, as by kubectl delete --cascade=orphan.
// The key has stopped with the APIKey.
const OrphanGrace = time.Hour

// eventOrphaned: a Secret was deleted because its APIKey had been deleted without it.
const eventOrphaned = "Orphaned"

// Orphans deletes Secrets that an APIKey has let go of, after a grace period. It knows the Secrets whose owner reference it has seen going.
// It leaves every other Secret without an owner alone, because that may be a clone. A nil *Orphans does nothing.
type Orphans struct {
	secrets  client.Client
	apikeys  client.Reader
	clock    clock.WithTicker
	recorder EventRecorder
	grace    time.Duration

	mu    sync.Mutex
	since map[types.NamespacedName]orphan
}

// orphan is a Secret whose owner reference to an APIKey was removed.
type orphan struct {
	uid   types.UID
	owner metav1.OwnerReference
	at    time.Time
}

// NewOrphans returns Orphans with a grace period. Start runs them.
func NewOrphans(secrets client.Client, apikeys client.Reader, clock clock.WithTicker, recorder EventRecorder, grace time.Duration) *Orphans {
	return &Orphans{secrets: secrets, apikeys: apikeys, clock: clock, recorder: recorder, grace: grace, since: map[types.NamespacedName]orphan{}}
}

// changed records a Secret that loses its APIKey, and forgets a Secret that has an owner again.
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

// Start deletes orphans whose grace period is over, until the context ends. It implements manager.Runnable.
func (o *Orphans) Start(ctx context.Context) error {
	ticker := o.clock.NewTicker(min(o.grace/4, time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			for name, found := range o.due() {
				o.remove(ctx, name, found)
			}
		}
	}
}

// due returns the orphans whose grace period is over.
func (o *Orphans) due() map[types.NamespacedName]orphan {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := map[types.NamespacedName]orphan{}
	for name, found := range o.since {
		if o.clock.Since(found.at) >= o.grace {
			due[name] = found
		}
	}

	return due
}

// owned reports whether the former owner of a Secret exists and is not being deleted. Such an APIKey reports a conflict, and its key
// keeps working.
func (o *Orphans) owned(ctx context.Context, namespace string, owner metav1.OwnerReference) bool {
	apikey := &v1alpha1.APIKey{}
	err := o.apikeys.Get(ctx, types.NamespacedName{Namespace: namespace, Name: owner.Name}, apikey)

	return client.IgnoreNotFound(err) != nil || err == nil && apikey.UID == owner.UID && apikey.DeletionTimestamp.IsZero()
}

// remove deletes an orphan that is still the same Secret and has no owner. If the deletion fails, the next tick retries it.
func (o *Orphans) remove(ctx context.Context, name types.NamespacedName, found orphan) {
	log := ctrl.LoggerFrom(ctx)
	secret := &corev1.Secret{}
	if err := o.secrets.Get(withoutLogs(ctx), name, secret); client.IgnoreNotFound(err) != nil {
		log.Error(err, "Cannot read an orphaned Secret", "secret", name)

		return
	}
	if o.owned(ctx, name.Namespace, found.owner) {
		return
	}
	if secret.UID != found.uid || secret.Type != v1alpha1.SecretType || len(secret.OwnerReferences) > 0 {
		o.gone(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}})

		return
	}
	err := o.secrets.Delete(withoutLogs(ctx), secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		log.Info("Cannot delete an orphaned Secret", "secret", name, "error", redacted(err.Error()))

		return
	}
	bare := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID}}
	o.recorder.Eventf(bare, nil, corev1.EventTypeNormal, eventOrphaned, actionEnd, "%s",
		"The operator deleted the Secret, because its APIKey was deleted without it. Verifiers refuse its key")
}
