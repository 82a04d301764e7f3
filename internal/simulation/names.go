// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
)

// sortedNames returns the keys of a map in order, so that a history does not depend on the order of maps.
func sortedNames[T any](objects map[string]T) []string {
	sorted := make([]string, 0, len(objects))
	for name := range objects {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)

	return sorted
}

// without returns a list without an element.
func without[T comparable](list []T, element T) []T {
	return slices.DeleteFunc(list, func(e T) bool { return e == element })
}

// newStrippers returns the transformations of the operator's own cache.
func newStrippers() strippers {
	var s strippers
	for kind, options := range controller.CacheOptions().ByObject {
		transform := options.Transform
		switch kind.(type) {
		case *v1alpha1.APIKey:
			s.apikey = func(k *v1alpha1.APIKey) client.Object {
				_, _ = transform(k) // it changes its argument

				return k
			}
		case *corev1.Secret:
			s.secret = func(m *metav1.PartialObjectMetadata) client.Object {
				_, _ = transform(m)

				return m
			}
		}
	}

	return s
}
