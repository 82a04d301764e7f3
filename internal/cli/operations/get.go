// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Get reads one APIKey.
func (s Service) Get(ctx context.Context, name types.NamespacedName) (*v1alpha1.APIKey, error) {
	var key v1alpha1.APIKey
	if err := s.Client.Get(ctx, name, &key); err != nil {
		return nil, WithMissingRule(err)
	}

	return &key, nil
}

// NameOf returns namespace and name of an APIKey.
func NameOf(key *v1alpha1.APIKey) types.NamespacedName {
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
}

// condition returns a condition that is about the generation at hand; nil: there is none yet.
func condition(key *v1alpha1.APIKey, name string) *metav1.Condition {
	found := meta.FindStatusCondition(key.Status.Conditions, name)
	if found == nil || found.ObservedGeneration != key.Generation {
		return nil
	}

	return found
}

// isTrue reports whether a condition about the generation at hand is True.
func isTrue(key *v1alpha1.APIKey, name string) bool {
	found := condition(key, name)

	return found != nil && found.Status == metav1.ConditionTrue
}
