// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"fmt"
	"iter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// store receives what a watch delivers, as the store of a reflector.
type store struct {
	index *Index
	// convert turns a decoded object into what the index keeps. It returns what was converted already unchanged.
	convert cache.TransformFunc
	// put stores what was converted, and returns its name.
	put    func(converted any) (types.NamespacedName, error)
	remove func(name types.NamespacedName)
	// names returns the names of everything that is stored.
	names func() iter.Seq[types.NamespacedName]
	// listed reports that the first list was complete.
	listed bool
}

// Transformer implements cache.TransformingStore: the first list is converted object by object as well, while it streams in.
func (s *store) Transformer() cache.TransformFunc { return s.convert }

// Add implements cache.ReflectorStore.
func (s *store) Add(obj any) error {
	converted, err := s.convert(obj)
	if err != nil {
		return err
	}
	s.lock()
	defer s.unlock()
	_, err = s.put(converted)

	return err
}

// Update implements cache.ReflectorStore.
func (s *store) Update(obj any) error { return s.Add(obj) }

// Delete implements cache.ReflectorStore.
func (s *store) Delete(obj any) error {
	object, ok := obj.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T was deleted, which has no name", obj)
	}
	s.lock()
	defer s.unlock()
	s.remove(types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()})

	return nil
}

// Replace implements cache.ReflectorStore: the objects replace everything. An object that stays is never absent in between.
func (s *store) Replace(objects []any, _ string) error {
	for i := range objects {
		var err error
		if objects[i], err = s.convert(objects[i]); err != nil {
			return err
		}
	}
	s.lock()
	defer s.unlock()
	stay := make(sets.Set[types.NamespacedName], len(objects))
	for _, converted := range objects {
		name, err := s.put(converted)
		if err != nil {
			return err
		}
		stay.Insert(name)
	}
	for name := range s.names() {
		if !stay.Has(name) {
			s.remove(name)
		}
	}
	if !s.listed {
		s.listed = true
		if s.index.pending--; s.index.pending == 0 {
			close(s.index.synced)
		}
	}

	return nil
}

// Resync implements cache.ReflectorStore. There is nothing to do.
func (s *store) Resync() error { return nil }

// Bookmark implements cache.ReflectorBookmarkStore.
func (s *store) Bookmark(string) error {
	s.index.metrics.event()

	return nil
}

// lock locks the index for a change.
func (s *store) lock() {
	s.index.metrics.event()
	s.index.mu.Lock()
}

func (s *store) unlock() { s.index.mu.Unlock() }

// APIKeys returns the store that a watch of APIKeys writes to.
func (x *Index) APIKeys() cache.TransformingStore { return x.apiKeys(metav1.NamespaceAll) }

// apiKeys returns the store for a watch of the APIKeys of a namespace. A list of that watch says nothing about other namespaces.
func (x *Index) apiKeys(namespace string) *store {
	return &store{
		index: x,
		convert: func(obj any) (any, error) {
			if apikey, ok := obj.(*v1alpha1.APIKey); ok {
				return newEntry(apikey), nil
			}

			return as[*entry](obj)
		},
		put: func(converted any) (types.NamespacedName, error) {
			e, err := as[*entry](converted)
			if err != nil {
				return types.NamespacedName{}, err
			}
			x.put(e)

			return e.name(), nil
		},
		remove: x.remove,
		names:  func() iter.Seq[types.NamespacedName] { return x.namesIn(namespace) },
	}
}

// namesIn returns the names of the APIKeys of a namespace; empty: of all.
func (x *Index) namesIn(namespace string) iter.Seq[types.NamespacedName] {
	return func(yield func(types.NamespacedName) bool) {
		for name := range x.entries {
			if (namespace == metav1.NamespaceAll || name.Namespace == namespace) && !yield(name) {
				return
			}
		}
	}
}

// Roles returns the store that a watch of APIKeyRoles writes to.
func (x *Index) Roles() cache.TransformingStore { return x.apiKeyRoles() }

// apiKeyRoles keeps roles as they are delivered: there are few.
func (x *Index) apiKeyRoles() *store {
	return &store{
		index:   x,
		convert: func(obj any) (any, error) { return as[*v1alpha1.APIKeyRole](obj) },
		put: func(converted any) (types.NamespacedName, error) {
			role, err := as[*v1alpha1.APIKeyRole](converted)
			if err != nil {
				return types.NamespacedName{}, err
			}
			x.roles.set(v1alpha1.RoleName(role.Name), role.Spec.Permissions)

			return types.NamespacedName{Name: role.Name}, nil
		},
		remove: func(name types.NamespacedName) { x.roles.unset(v1alpha1.RoleName(name.Name)) },
		names:  x.roles.names,
	}
}

// as returns an object as the type that it must have.
func as[T any](obj any) (T, error) {
	converted, ok := obj.(T)
	if !ok {
		return converted, fmt.Errorf("a watch delivered %T, and not %T", obj, converted)
	}

	return converted, nil
}
