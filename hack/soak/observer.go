// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
)

const (
	// watchRetry is how long after a failure a watch is opened again.
	watchRetry = 200 * time.Millisecond
	// versionsKept is how many versions of an APIKey and of a Secret are kept for users who restore them.
	versionsKept = 8
)

// observer follows all APIKeys and their Secrets, without the connections that are cut, and tells the oracle. It keeps the last versions for
// the users. It is safe for concurrent use.
type observer struct {
	client client.WithWatch
	oracle *oracle.Oracle
	vault  *vault

	mu      sync.Mutex
	apikeys map[types.UID][]*v1alpha1.APIKey
	secrets map[types.UID][]*corev1.Secret // by the uid of the APIKey
}

func newObserver(c client.WithWatch, o *oracle.Oracle, v *vault) *observer {
	return &observer{client: c, oracle: o, vault: v, apikeys: map[types.UID][]*v1alpha1.APIKey{}, secrets: map[types.UID][]*corev1.Secret{}}
}

// apikey returns the last version of an APIKey; nil: it was not seen.
func (b *observer) apikey(uid types.UID) *v1alpha1.APIKey {
	versions := b.apikeyVersions(uid)
	if len(versions) == 0 {
		return nil
	}

	return versions[len(versions)-1]
}

// apikeyVersions returns the last versions of an APIKey, oldest first.
func (b *observer) apikeyVersions(uid types.UID) []*v1alpha1.APIKey {
	b.mu.Lock()
	defer b.mu.Unlock()

	return slices.Clone(b.apikeys[uid])
}

// secretVersions returns the last versions of the Secret of an APIKey, oldest first.
func (b *observer) secretVersions(uid types.UID) []*corev1.Secret {
	b.mu.Lock()
	defer b.mu.Unlock()

	return slices.Clone(b.secrets[uid])
}

// seeAPIKey handles an event about an APIKey.
func (b *observer) seeAPIKey(kind watch.EventType, object client.Object) {
	apikey, ok := object.(*v1alpha1.APIKey)
	if !ok {
		return
	}
	if kind == watch.Deleted {
		b.oracle.APIKeyGone(time.Now(), apikey.UID)

		return
	}
	b.mu.Lock()
	b.apikeys[apikey.UID] = lastVersions(append(b.apikeys[apikey.UID], apikey))
	b.mu.Unlock()
	b.oracle.APIKeySeen(time.Now(), apikey)
}

// seeSecret handles an event about a Secret.
func (b *observer) seeSecret(kind watch.EventType, object client.Object) {
	secret, ok := object.(*corev1.Secret)
	if !ok || secret.Type != v1alpha1.SecretType {
		return
	}
	owner := metav1.GetControllerOf(secret)
	if owner == nil {
		return
	}
	if kind == watch.Deleted {
		b.oracle.SecretGone(time.Now(), owner.UID, secret.UID)

		return
	}
	seen := &oracle.Secret{Name: secret.Name, ResourceVersion: secret.ResourceVersion, UID: secret.UID, Owner: owner.UID}
	for _, dataKey := range []string{v1alpha1.SecretKeyDefault, v1alpha1.SecretPreviousKeyPrefix + v1alpha1.SecretKeyDefault} {
		if text, held := secret.Data[dataKey]; held {
			seen.Keys = append(seen.Keys, b.vault.learn(owner.UID, text))
		}
	}
	b.mu.Lock()
	b.secrets[owner.UID] = lastVersions(append(b.secrets[owner.UID], secret))
	b.mu.Unlock()
	b.oracle.SecretSeen(time.Now(), seen)
}

func lastVersions[T any](versions []T) []T { return versions[max(0, len(versions)-versionsKept):] }

// follow lists and watches a kind until ctx ends.
func (b *observer) follow(ctx context.Context, newList func() client.ObjectList, see func(watch.EventType, client.Object)) {
	known := map[types.UID]client.Object{}
	note := func(kind watch.EventType, object client.Object) {
		if kind == watch.Deleted {
			delete(known, object.GetUID())
		} else {
			known[object.GetUID()] = object
		}
		see(kind, object)
	}
	for at := ""; ctx.Err() == nil; pause(ctx, watchRetry) {
		if at == "" {
			at = b.list(ctx, newList(), known, note)

			continue
		}
		at = b.watch(ctx, newList(), at, note)
	}
}

// list reports all objects, and those that are gone. It returns the version of the list; empty: it failed.
func (b *observer) list(
	ctx context.Context, list client.ObjectList, known map[types.UID]client.Object, note func(watch.EventType, client.Object),
) string {
	if err := b.client.List(ctx, list, client.InNamespace(soakNamespace)); err != nil {
		return ""
	}
	there := map[types.UID]bool{}
	err := meta.EachListItemWithAlloc(list, func(item runtime.Object) error {
		if object, ok := item.(client.Object); ok {
			there[object.GetUID()] = true
			note(watch.Modified, object)
		}

		return nil
	})
	if err != nil {
		return ""
	}
	for uid, object := range known {
		if !there[uid] {
			note(watch.Deleted, object)
		}
	}

	return list.GetResourceVersion()
}

// watch reports changes since a version. It returns the version from which to go on; empty: that version is too old.
func (b *observer) watch(ctx context.Context, list client.ObjectList, at string, note func(watch.EventType, client.Object)) string {
	w, err := b.client.Watch(ctx, list, client.InNamespace(soakNamespace), &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: at, AllowWatchBookmarks: true},
	})
	if err != nil {
		return next(err, at)
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		object, ok := event.Object.(client.Object)
		if event.Type == watch.Error || !ok {
			return next(apierrors.FromObject(event.Object), at)
		}
		at = object.GetResourceVersion()
		if event.Type != watch.Bookmark {
			note(event.Type, object)
		}
	}

	return at
}

// next returns the version from which a watch goes on after an error; empty: everything has to be listed.
func next(err error, at string) string {
	if apierrors.IsGone(err) || apierrors.IsResourceExpired(err) {
		return ""
	}

	return at
}
