// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What is cached of each object decides how much memory a settled key takes, so what no decision needs is taken off,
// and strings that are the same in most objects are kept once.

// shared is one copy of a string for all objects that have it.
func shared[T ~string](s T) T { return unique.Make(s).Value() }

// stripAPIKey takes off what no decision needs: together often more than the rest.
func stripAPIKey(obj any) (any, error) {
	key, ok := obj.(*v1alpha1.APIKey)
	if !ok {
		return obj, nil
	}
	key.ManagedFields = nil
	delete(key.Annotations, corev1.LastAppliedConfigAnnotation)

	// A decoder lets slices grow by doubling; a copy has no room to spare.
	key.Spec.Permissions = slices.Clone(key.Spec.Permissions)
	key.Status.Conditions = slices.Clone(key.Status.Conditions)
	key.Status.Keys = slices.Clone(key.Status.Keys)

	key.Namespace = shared(key.Namespace)
	key.Spec.Environment = shared(key.Spec.Environment)
	for i := range key.Spec.Permissions {
		key.Spec.Permissions[i] = shared(key.Spec.Permissions[i])
	}
	key.Status.Phase = shared(key.Status.Phase)
	if key.Status.RateLimit != nil {
		key.Status.RateLimit.Per = shared(key.Status.RateLimit.Per)
	}
	for i := range key.Status.Keys {
		key.Status.Keys[i].State = shared(key.Status.Keys[i].State)
	}
	for i := range key.Status.Conditions {
		c := &key.Status.Conditions[i]
		c.Type, c.Status, c.Reason, c.Message = shared(c.Type), shared(c.Status), shared(c.Reason), shared(c.Message)
	}

	return obj, nil
}

// stripMetadata takes off what no decision needs of an object of which there are few.
func stripMetadata(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
	}

	return obj, nil
}

// stripNamespace leaves the name and the labels.
func stripNamespace(obj any) (any, error) {
	namespace, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	namespace.ObjectMeta = metav1.ObjectMeta{
		Name: namespace.Name, UID: namespace.UID, ResourceVersion: namespace.ResourceVersion, Labels: namespace.Labels,
	}

	return obj, nil
}

// stripSecret leaves what tells one version of a Secret from another, and whose it is.
func stripSecret(obj any) (any, error) {
	secret, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	secret.ManagedFields, secret.Labels, secret.Annotations = nil, nil, nil

	secret.OwnerReferences = slices.Clone(secret.OwnerReferences)
	secret.Namespace = shared(secret.Namespace)
	for i := range secret.OwnerReferences {
		owner := &secret.OwnerReferences[i]
		owner.APIVersion, owner.Kind, owner.BlockOwnerDeletion = shared(owner.APIVersion), shared(owner.Kind), nil
		if owner.Name == secret.Name {
			owner.Name = secret.Name // the same bytes, kept once
		}
	}

	return obj, nil
}
