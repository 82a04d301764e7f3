// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apimodel

import (
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Resource stores the objects of one kind by name, and the changes in their order.
type Resource[T client.Object] struct {
	// Changed is called after every change, unless it is nil.
	Changed func(Change[T])

	server  *Server
	rules   rules[T]
	objects map[string]T
	log     []Change[T]
}

// rules are the parts of the contract that differ between kinds.
type rules[T client.Object] interface {
	resource() schema.GroupResource
	// named returns an empty object with a name.
	named(name string) T
	// copyOf returns a copy that shares nothing.
	copyOf(T) T
	// unconditional reports whether an update without a resourceVersion overwrites.
	unconditional() bool
	// initialize sets the fields of a new object that a client cannot set.
	initialize(T)
	// prepare keeps the fields of a stored object that an update cannot change. An error refuses the update.
	prepare(updated, stored T) error
	// equal reports whether an update changes nothing.
	equal(a, b T) bool
}

// Preconditions of a write. An empty field demands nothing.
type Preconditions struct {
	UID             types.UID
	ResourceVersion string
}

// Get returns the stored object, which must not be changed.
func (r *Resource[T]) Get(name string) (T, error) {
	object, found := r.objects[name]
	if !found {
		return object, apierrors.NewNotFound(r.rules.resource(), name)
	}

	return object, nil
}

// Names returns the names of all objects in order.
func (r *Resource[T]) Names() []string {
	names := make([]string, 0, len(r.objects))
	for name := range r.objects {
		names = append(names, name)
	}
	slices.Sort(names)

	return names
}

// Log returns all changes. It must not be changed.
func (r *Resource[T]) Log() []Change[T] { return r.log }

// Create stores an object and returns it as stored.
func (r *Resource[T]) Create(object T) (T, error) {
	created, err := r.create(object)
	r.requested(Request{Verb: VerbCreate, Sent: object, Err: err})

	return created, err
}

func (r *Resource[T]) create(object T) (T, error) {
	if stored, found := r.objects[object.GetName()]; found {
		return stored, apierrors.NewAlreadyExists(r.rules.resource(), object.GetName())
	}
	if object.GetResourceVersion() != "" {
		return object, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	created := r.rules.copyOf(object)
	created.SetUID(r.server.nextUID())
	created.SetCreationTimestamp(r.server.now())
	created.SetDeletionTimestamp(nil)
	r.rules.initialize(created)

	return r.store(Change[T]{After: created, Added: true}), nil
}

// Update stores an object under its name and returns it as stored. Its uid and resourceVersion are preconditions.
func (r *Resource[T]) Update(object T) (T, error) {
	updated, err := r.update(object, r.rules.prepare)
	r.requested(Request{Verb: VerbUpdate, Sent: object, Err: err})

	return updated, err
}

// requested reports a write.
func (r *Resource[T]) requested(request Request) {
	if r.server.Requested == nil {
		return
	}
	if sent, ok := request.Sent.DeepCopyObject().(T); ok {
		request.Sent = sent
	}
	if stored, found := r.objects[request.Sent.GetName()]; found {
		request.Stored = stored
	}
	r.server.Requested(request)
}

// update stores an object after a preparation that keeps what the request cannot change.
func (r *Resource[T]) update(object T, prepare func(updated, stored T) error) (T, error) {
	stored, err := r.Get(object.GetName())
	if err != nil {
		return stored, err
	}
	if object.GetResourceVersion() == "" && !r.rules.unconditional() {
		return stored, r.invalid(object.GetName(), "metadata.resourceVersion", "must be specified for an update")
	}
	if err := r.check(stored, Preconditions{UID: object.GetUID(), ResourceVersion: object.GetResourceVersion()}); err != nil {
		return stored, err
	}
	updated := r.rules.copyOf(object)
	updated.SetUID(stored.GetUID())
	updated.SetCreationTimestamp(stored.GetCreationTimestamp())
	updated.SetDeletionTimestamp(stored.GetDeletionTimestamp())
	updated.SetDeletionGracePeriodSeconds(stored.GetDeletionGracePeriodSeconds())
	if err := prepare(updated, stored); err != nil {
		return stored, err
	}
	if r.rules.equal(updated, stored) {
		return stored, nil
	}
	if stored.GetDeletionTimestamp() != nil && len(updated.GetFinalizers()) == 0 {
		r.remove(stored)

		return updated, nil
	}

	return r.store(Change[T]{Before: stored, After: updated}), nil
}

// Delete removes an object, or marks it as being deleted while it has finalizers.
func (r *Resource[T]) Delete(name string, preconditions Preconditions) error {
	err := r.delete(name, preconditions)
	r.requested(Request{Verb: VerbDelete, Sent: r.rules.named(name), Preconditions: preconditions, Err: err})

	return err
}

func (r *Resource[T]) delete(name string, preconditions Preconditions) error {
	stored, err := r.Get(name)
	if err != nil {
		return err
	}
	if err := r.check(stored, preconditions); err != nil {
		return err
	}
	switch {
	case len(stored.GetFinalizers()) == 0:
		r.remove(stored)
	case stored.GetDeletionTimestamp() == nil:
		r.mark(stored)
	}

	return nil
}

// DeleteWith adds a finalizer and deletes, as a deletion with a propagation policy does.
func (r *Resource[T]) DeleteWith(name, finalizer string) error {
	err := r.deleteWith(name, finalizer)
	r.requested(Request{Verb: VerbDelete, Sent: r.rules.named(name), Finalizer: finalizer, Err: err})

	return err
}

func (r *Resource[T]) deleteWith(name, finalizer string) error {
	stored, err := r.Get(name)
	if err != nil {
		return err
	}
	if stored.GetDeletionTimestamp() != nil {
		return nil
	}
	finalized := r.rules.copyOf(stored)
	finalized.SetFinalizers(append(slices.Clone(stored.GetFinalizers()), finalizer))
	r.markFrom(stored, finalized)

	return nil
}

// mark stores an object as being deleted.
func (r *Resource[T]) mark(stored T) { r.markFrom(stored, r.rules.copyOf(stored)) }

func (r *Resource[T]) markFrom(stored, marked T) {
	now := r.server.now()
	marked.SetDeletionTimestamp(&now)
	marked.SetDeletionGracePeriodSeconds(new(int64(0)))
	if marked.GetGeneration() > 0 {
		marked.SetGeneration(marked.GetGeneration() + 1)
	}
	r.store(Change[T]{Before: stored, After: marked})
}

// store stores the object of a change under a new version.
func (r *Resource[T]) store(c Change[T]) T {
	c.Version = r.server.nextVersion()
	c.After.SetResourceVersion(strconv.FormatUint(c.Version, 10))
	r.objects[c.After.GetName()] = c.After
	r.record(c)

	return c.After
}

func (r *Resource[T]) remove(stored T) {
	delete(r.objects, stored.GetName())
	r.record(Change[T]{Before: stored, Removed: true, Version: r.server.nextVersion()})
}

func (r *Resource[T]) record(c Change[T]) {
	r.log = append(r.log, c)
	if r.Changed != nil {
		r.Changed(c)
	}
}
