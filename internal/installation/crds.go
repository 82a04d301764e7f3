// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"maps"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// AwaitCRDs waits until the API server serves every kind of this project and checks its schema.
func AwaitCRDs(ctx context.Context, config *rest.Config) error {
	s, err := newSite(config, metav1.NamespaceDefault)
	if err != nil {
		return err
	}
	_, err = await(ctx, "the API server does not serve the CRDs", s.crdProbes())

	return err
}

// crdProbes returns a probe for each kind: the schema must refuse a malformed object.
func (s *site) crdProbes() []probe {
	types := s.client.Scheme().KnownTypes(v1alpha1.GroupVersion)
	probes := make([]probe, 0, len(types))
	for _, kind := range slices.Sorted(maps.Keys(types)) {
		// The group also knows lists and the options of requests.
		object := reflect.PointerTo(types[kind])
		if !object.Implements(reflect.TypeFor[client.Object]()) {
			continue
		}
		probes = append(probes, probe{"CRD of " + kind, func(ctx context.Context) error {
			malformed := &unstructured.Unstructured{Object: map[string]any{"spec": "not an object"}}
			malformed.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
			malformed.SetNamespace(s.namespace)
			malformed.SetName(s.name)

			return served(s.client.Create(ctx, malformed, client.DryRunAll))
		}})
	}

	return probes
}
