// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apimodel

import (
	"bytes"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// apikeyRules are those of a custom resource with the subresource status.
type apikeyRules struct{}

func (apikeyRules) resource() schema.GroupResource {
	return schema.GroupResource{Group: v1alpha1.GroupName, Resource: "apikeys"}
}

func (apikeyRules) named(name string) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}}
}

func (apikeyRules) copyOf(apikey *v1alpha1.APIKey) *v1alpha1.APIKey { return apikey.DeepCopy() }
func (apikeyRules) unconditional() bool                             { return false }

// initialize sets the status to its default, because only the subresource writes it.
func (apikeyRules) initialize(apikey *v1alpha1.APIKey) {
	apikey.Generation = 1
	apikey.Status = v1alpha1.APIKeyStatus{ObservedGeneration: -1, Phase: v1alpha1.PhasePending} // the defaults of the schema
}

// prepare keeps the status, and counts changes of spec.
func (apikeyRules) prepare(updated, stored *v1alpha1.APIKey) error {
	updated.Status = *stored.Status.DeepCopy()
	updated.Generation = stored.Generation
	if !equality.Semantic.DeepEqual(updated.Spec, stored.Spec) {
		updated.Generation++
	}

	return nil
}

func (apikeyRules) equal(a, b *v1alpha1.APIKey) bool {
	return a.Generation == b.Generation && equalMeta(&a.ObjectMeta, &b.ObjectMeta) && equality.Semantic.DeepEqual(a.Status, b.Status)
}

// UpdateStatus stores the status of an APIKey and ignores everything else. Its uid and resourceVersion are preconditions.
func (s *Server) UpdateStatus(apikey *v1alpha1.APIKey) (*v1alpha1.APIKey, error) {
	updated, err := s.APIKeys.update(apikey, func(updated, stored *v1alpha1.APIKey) error {
		status := updated.Status
		stored.DeepCopyInto(updated)
		updated.Status = status

		return nil
	})
	s.APIKeys.requested(Request{Verb: VerbUpdateStatus, Sent: apikey, Err: err})

	return updated, err
}

// secretRules are those of the core kind.
type secretRules struct{}

func (secretRules) resource() schema.GroupResource { return schema.GroupResource{Resource: "secrets"} }

func (secretRules) named(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}}
}

func (secretRules) copyOf(secret *corev1.Secret) *corev1.Secret { return secret.DeepCopy() }

func (secretRules) unconditional() bool { return true }

func (secretRules) initialize(secret *corev1.Secret) {
	if secret.Type == "" {
		secret.Type = corev1.SecretTypeOpaque
	}
}

// prepare refuses a change of the type.
func (secretRules) prepare(updated, stored *corev1.Secret) error {
	if updated.Type == "" {
		updated.Type = stored.Type
	}
	if updated.Type != stored.Type {
		return (&Resource[*corev1.Secret]{rules: secretRules{}}).invalid(stored.Name, "type", "field is immutable")
	}

	return nil
}

func (secretRules) equal(a, b *corev1.Secret) bool {
	return equalMeta(&a.ObjectMeta, &b.ObjectMeta) && maps.EqualFunc(a.Data, b.Data, bytes.Equal)
}

func equalMeta(a, b *metav1.ObjectMeta) bool {
	return maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations) && slices.Equal(a.Finalizers, b.Finalizers) &&
		equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences) && a.DeletionTimestamp.Equal(b.DeletionTimestamp)
}
