// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// maxConflictWatches bounds the watches of single Secrets that are open at once. An APIKey beyond that is reconciled every 30 seconds,
// unless the operator watches the conflicting Secret anyway.
const maxConflictWatches = 64

// conflictWatchTime is after how long the API server ends a watch of a single Secret. The next attempt opens another.
const conflictWatchTime = 10 * time.Minute

// Conflicts knows which APIKeys wait for a Secret that is not theirs, and queues them when the Secret changes or is deleted. The operator
// watches labelled Secrets of SecretType anyway. For every other Secret, Conflicts watches the metadata of that single object until the first
// event. A nil *Conflicts does nothing.
type Conflicts struct {
	secrets client.WithWatch
	queue   chan ctrlevent.GenericEvent
	open    chan opening

	mu      sync.Mutex
	waiting map[types.NamespacedName]map[types.NamespacedName]struct{} // by Secret
	watched map[types.NamespacedName]struct{}
}

// opening asks for a watch of a Secret from a version on.
type opening struct {
	secret          types.NamespacedName
	resourceVersion string
}

// NewConflicts returns Conflicts that watch through a client. Start runs them.
func NewConflicts(secrets client.WithWatch) *Conflicts {
	return &Conflicts{
		secrets: secrets,
		queue:   make(chan ctrlevent.GenericEvent),
		open:    make(chan opening, maxConflictWatches),
		waiting: map[types.NamespacedName]map[types.NamespacedName]struct{}{},
		watched: map[types.NamespacedName]struct{}{},
	}
}

// isWatched reports whether the watch of Secrets delivers a Secret, by the selectors of CacheOptions.
func isWatched(secret *corev1.Secret) bool {
	return secret.Type == v1alpha1.SecretType && secret.Labels[v1alpha1.SecretManagedByLabel] == v1alpha1.SecretManagedByValue
}

// await registers that an APIKey waits for a Secret that was read.
func (c *Conflicts) await(apikey types.NamespacedName, secret *corev1.Secret) {
	if c == nil || secret == nil {
		return
	}
	name := client.ObjectKeyFromObject(secret)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[name] == nil {
		c.waiting[name] = map[types.NamespacedName]struct{}{}
	}
	c.waiting[name][apikey] = struct{}{}
	if _, watched := c.watched[name]; watched || isWatched(secret) || len(c.watched) >= maxConflictWatches {
		return
	}
	select {
	case c.open <- opening{name, secret.ResourceVersion}:
		c.watched[name] = struct{}{}
	default: // Start does not run yet, or has ended
	}
}

// forget drops the registrations of a deleted APIKey.
func (c *Conflicts) forget(apikey types.NamespacedName) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret, names := range c.waiting {
		if delete(names, apikey); len(names) == 0 {
			delete(c.waiting, secret)
		}
	}
}

// waitingFor returns the APIKeys that wait for a Secret, and drops their registrations: the next attempt registers them again.
func (c *Conflicts) waitingFor(secret types.NamespacedName) []types.NamespacedName {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]types.NamespacedName, 0, len(c.waiting[secret]))
	for name := range c.waiting[secret] {
		names = append(names, name)
	}
	delete(c.waiting, secret)

	return names
}

// Start opens watches until the context ends, and waits for them. It implements manager.Runnable.
func (c *Conflicts) Start(ctx context.Context) error {
	var watches sync.WaitGroup
	defer watches.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-c.open:
			watches.Go(func() { c.follow(ctx, o) })
		}
	}
}

// follow waits for the first event about a Secret, or for the end of the watch, and queues the APIKeys that wait for it.
func (c *Conflicts) follow(ctx context.Context, o opening) {
	c.firstEvent(ctx, o)
	c.mu.Lock()
	delete(c.watched, o.secret)
	c.mu.Unlock()
	for _, name := range c.waitingFor(o.secret) {
		apikey := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
		select {
		case c.queue <- ctrlevent.GenericEvent{Object: apikey}:
		case <-ctx.Done():
			return
		}
	}
}

// firstEvent returns after an event about a Secret that is later than what was read, an error, or conflictWatchTime.
func (c *Conflicts) firstEvent(ctx context.Context, o opening) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	w, err := c.secrets.Watch(withoutLogs(ctx), list, &client.ListOptions{
		Namespace:     o.secret.Namespace,
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, o.secret.Name),
		Raw:           &metav1.ListOptions{ResourceVersion: o.resourceVersion, TimeoutSeconds: new(int64(conflictWatchTime.Seconds()))},
	})
	if err != nil {
		return
	}
	defer w.Stop()
	select {
	case <-ctx.Done():
	case <-w.ResultChan():
	}
}
