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

// newPopulation creates the namespace.
func (c *cluster) newPopulation(ctx context.Context, namespace string, workers int) (*population, error) {
	err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	if err != nil {
		return nil, fmt.Errorf("create namespace %s: %w", namespace, err)
	}

	return &population{cluster: c, namespace: namespace, workers: workers}, nil
}

// displayName begins that of every key.
const displayName = "Main Website Integration "

// keyIndex returns the number of a key as its names have it. All numbers are of the same length up to maxSeeds.
func keyIndex(i int) string { return fmt.Sprintf("%06d", i) }

// keyName returns the name of an APIKey.
func keyName(i int) string { return "integration-" + keyIndex(i) }

// newKey returns an APIKey with the fields that teams set. Its size decides how much memory a settled key takes.
func (p *population) newKey(i int) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: keyName(i)},
		Spec: v1alpha1.APIKeySpec{
			DisplayName: displayName + keyIndex(i),
			Environment: v1alpha1.EnvironmentProduction,
			Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"},
			Owner:       "jane@example.com",
		},
	}
}

// create creates n APIKeys and returns them as the API server stored them. shape changes each before; it may be nil.
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

// remove deletes all APIKeys and their Secrets: this control plane has no garbage collector.
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

// The role of every key of bench verify, and the permission that endpoints need. Keys have it through the role, so both lists are searched.
const (
	roleName                             = "synchronizer"
	neededPermission v1alpha1.Permission = "orders:read"
	// limitedEach says which keys have a rate limit: every tenth.
	limitedEach = 10
	// keysNamespace is the namespace of these keys.
	keysNamespace = "integrations"
	// createWorkers is how many requests that create them are under way at once.
	createWorkers = 16
)

// newRole returns the role of every key.
func newRole() *v1alpha1.APIKeyRole {
	return &v1alpha1.APIKeyRole{
		ObjectMeta: metav1.ObjectMeta{Name: roleName},
		Spec: v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{
			"products:read", "products:write", "stock:read", "stock:write",
			neededPermission, "orders:write", "invoices:read", "invoices:write",
		}},
	}
}

// shape adds what keys of bench verify have beside the fields of all: the role, and where limited is true the highest rate limit.
func shape(key *v1alpha1.APIKey, limited bool) {
	key.Spec.Roles = []v1alpha1.RoleName{roleName}
	if limited {
		key.Spec.RateLimit = &v1alpha1.RateLimit{Requests: 1_000_000, Per: "1s"}
	}
}
