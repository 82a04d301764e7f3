// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// view is the cache of one kind in one operator: a prefix of the changes, as far as the watch has delivered them.
type view[T client.Object] struct {
	source *apimodel.Resource[T]
	// selects reports whether the watch delivers an object.
	selects func(T) bool
	// strip returns what the cache keeps of an object.
	strip   func(T) client.Object
	handler handler.EventHandler
	queue   *queue

	delivered int
	objects   map[string]client.Object
}

// behind returns how many changes are not delivered.
func (v *view[T]) behind() int { return len(v.source.Log()) - v.delivered }

// start lists the objects as they were before the last lag changes.
func (v *view[T]) start(lag int) {
	v.delivered = max(len(v.source.Log())-lag, 0)
	v.objects = map[string]client.Object{}
	for name, object := range v.listed() {
		v.objects[name] = v.strip(object)
		v.handler.Create(context.Background(), ctrlevent.CreateEvent{Object: v.objects[name], IsInInitialList: true}, v.queue)
	}
}

// listed returns the selected objects after the delivered changes.
func (v *view[T]) listed() map[string]T {
	objects := map[string]T{}
	for _, c := range v.source.Log()[:v.delivered] {
		switch {
		case c.Removed:
			delete(objects, c.Before.GetName())
		case v.selects(c.After):
			objects[c.After.GetName()] = c.After
		default:
			delete(objects, c.After.GetName())
		}
	}

	return objects
}

// deliver delivers the next change.
func (v *view[T]) deliver() {
	c := v.source.Log()[v.delivered]
	v.delivered++
	switch {
	case c.Removed:
		v.drop(c.Before.GetName())
	case !v.selects(c.After):
		v.drop(c.After.GetName())
	default:
		v.put(c.After)
	}
}

// put stores an object and calls the handler.
func (v *view[T]) put(object T) {
	name := object.GetName()
	before, known := v.objects[name]
	after := v.strip(object)
	v.objects[name] = after
	if known {
		v.handler.Update(context.Background(), ctrlevent.UpdateEvent{ObjectOld: before, ObjectNew: after}, v.queue)
	} else {
		v.handler.Create(context.Background(), ctrlevent.CreateEvent{Object: after}, v.queue)
	}
}

// drop removes an object and calls the handler.
func (v *view[T]) drop(name string) {
	if before, known := v.objects[name]; known {
		delete(v.objects, name)
		v.handler.Delete(context.Background(), ctrlevent.DeleteEvent{Object: before}, v.queue)
	}
}

// relist ends the watch, lists the objects at a later time and calls the handler with the differences. Changes in between are not delivered.
func (v *view[T]) relist(skipped int) {
	v.delivered += min(skipped, v.behind())
	objects := v.listed()
	for _, name := range sortedNames(v.objects) {
		if _, stays := objects[name]; !stays {
			v.drop(name)
		}
	}
	for _, name := range sortedNames(objects) {
		v.put(objects[name])
	}
}

// resync calls the handler with every object, unchanged.
func (v *view[T]) resync() {
	for _, name := range sortedNames(v.objects) {
		object := v.objects[name]
		v.handler.Update(context.Background(), ctrlevent.UpdateEvent{ObjectOld: object, ObjectNew: object}, v.queue)
	}
}

// seen reports whether the watch has delivered a version.
func (v *view[T]) seen(version uint64) bool {
	return version == 0 || v.delivered > 0 && v.source.Log()[v.delivered-1].Version >= version
}

// watchedAPIKey selects every APIKey.
func watchedAPIKey(*v1alpha1.APIKey) bool { return true }

// watchedSecret selects as the operator's cache does.
func watchedSecret(secret *corev1.Secret) bool {
	return secret.Type == v1alpha1.SecretType && secret.Labels[v1alpha1.SecretManagedByLabel] == v1alpha1.SecretManagedByValue
}

// metadataOf returns the metadata of a Secret, as a watch of metadata delivers it.
func metadataOf(secret *corev1.Secret) *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{ObjectMeta: *secret.ObjectMeta.DeepCopy()}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))

	return meta
}

// versionOf returns a resourceVersion as a number.
func versionOf(object client.Object) uint64 {
	version, _ := strconv.ParseUint(object.GetResourceVersion(), 10, 64) // the model writes numbers only

	return version
}
