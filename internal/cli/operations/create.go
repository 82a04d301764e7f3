// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// New returns an APIKey that is not in the cluster yet.
func New(name types.NamespacedName, spec v1alpha1.APIKeySpec) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey"},
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Spec:       spec,
	}
}

// Create creates an APIKey and returns it as the API server has stored it. An APIKey that exists already stays unchanged.
func (s Service) Create(ctx context.Context, key *v1alpha1.APIKey, dryRun bool) (*v1alpha1.APIKey, error) {
	created := key.DeepCopy()
	var options []client.CreateOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	options = append(options, client.FieldOwner(FieldManager))
	if err := s.Client.Create(ctx, created, options...); err != nil {
		return nil, WithMissingRule(err)
	}

	return created, nil
}
