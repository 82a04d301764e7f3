// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// population is the APIKeys of a namespace of their own, all alike but for their names.
type population struct {
	cluster   *cluster
	namespace string
	// workers is how many requests are under way at once.
	workers int
}

// newPopulation makes the namespace.
func (c *cluster) newPopulation(ctx context.Context, namespace string, workers int) (*population, error) {
	err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	if err != nil {
		return nil, fmt.Errorf("create namespace %s: %w", namespace, err)
	}

	return &population{cluster: c, namespace: namespace, workers: workers}, nil
}

// newKey is an APIKey such as a team writes one; its size decides what a settled key costs in memory.
func (p *population) newKey(i int) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: fmt.Sprintf("integration-%05d", i)},
		Spec: v1alpha1.APIKeySpec{
			DisplayName: fmt.Sprintf("Main Website Integration %05d", i),
			Environment: v1alpha1.EnvironmentProduction,
			Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"},
			Owner:       "jane@example.com",
		},
	}
}

// create makes n APIKeys and returns them as the API server stored them. shape changes each before; nil: nothing to change.
func (p *population) create(ctx context.Context, n int, shape func(*v1alpha1.APIKey)) ([]*v1alpha1.APIKey, error) {
	keys := make([]*v1alpha1.APIKey, n)
	err := inParallel(ctx, p.workers, n, func(ctx context.Context, i int) error {
		keys[i] = p.newKey(i)
		if shape != nil {
			shape(keys[i])
		}

		return p.cluster.client.Create(ctx, keys[i])
	})
	if err != nil {
		return nil, fmt.Errorf("create %d APIKeys: %w", n, err)
	}

	return keys, nil
}

// remove deletes all APIKeys and their Secrets: there is no garbage collector in this control plane.
func (p *population) remove(ctx context.Context) error {
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err := p.cluster.client.List(ctx, secrets, client.InNamespace(p.namespace), client.MatchingFields{"type": v1alpha1.SecretType})
	if err != nil {
		return fmt.Errorf("list Secrets to delete: %w", err)
	}
	keys := &v1alpha1.APIKeyList{}
	if err := p.cluster.client.List(ctx, keys, client.InNamespace(p.namespace)); err != nil {
		return fmt.Errorf("list APIKeys to delete: %w", err)
	}
	doomed := make([]client.Object, 0, len(secrets.Items)+len(keys.Items))
	for i := range keys.Items {
		doomed = append(doomed, &keys.Items[i])
	}
	for i := range secrets.Items {
		doomed = append(doomed, &secrets.Items[i])
	}
	err = inParallel(ctx, p.workers, len(doomed), func(ctx context.Context, i int) error {
		return client.IgnoreNotFound(p.cluster.client.Delete(ctx, doomed[i]))
	})
	if err != nil {
		return fmt.Errorf("delete APIKeys and Secrets: %w", err)
	}

	return nil
}
