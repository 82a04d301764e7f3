// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apimodel

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// CollectGarbage does what the garbage collector does until nothing is left to do: it removes Secrets whose owners are gone, and lets the
// dependents of an APIKey go that was deleted with the orphan finalizer.
func (s *Server) CollectGarbage() {
	for _, name := range s.APIKeys.Names() {
		apikey, err := s.APIKeys.Get(name)
		if err == nil && apikey.DeletionTimestamp != nil && slices.Contains(apikey.Finalizers, metav1.FinalizerOrphanDependents) {
			s.orphanDependents(apikey)
		}
	}
	for _, name := range s.Secrets.Names() {
		if secret, err := s.Secrets.Get(name); err == nil && len(secret.OwnerReferences) > 0 && !slices.ContainsFunc(secret.OwnerReferences, s.exists) {
			_ = s.Secrets.Delete(name, Preconditions{UID: secret.UID}) // it exists, and no other client runs meanwhile
		}
	}
}

// exists reports whether an owner exists.
func (s *Server) exists(owner metav1.OwnerReference) bool {
	apikey, err := s.APIKeys.Get(owner.Name)

	return err == nil && apikey.UID == owner.UID
}

func (s *Server) orphanDependents(apikey *v1alpha1.APIKey) {
	for _, name := range s.Secrets.Names() {
		secret, err := s.Secrets.Get(name)
		owns := func(owner metav1.OwnerReference) bool { return owner.UID == apikey.UID }
		if err == nil && slices.ContainsFunc(secret.OwnerReferences, owns) {
			_ = s.ChangeSecret(name, func(s *corev1.Secret) { s.OwnerReferences = slices.DeleteFunc(s.OwnerReferences, owns) })
		}
	}
	_ = s.ChangeAPIKey(apikey.Name, func(k *v1alpha1.APIKey) {
		k.Finalizers = slices.DeleteFunc(k.Finalizers, func(f string) bool { return f == metav1.FinalizerOrphanDependents })
	})
}

// ChangeAPIKey changes spec or metadata of an APIKey, as a patch does.
func (s *Server) ChangeAPIKey(name string, change func(*v1alpha1.APIKey)) error {
	stored, err := s.APIKeys.Get(name)
	if err != nil {
		return err
	}
	changed := stored.DeepCopy()
	change(changed)
	_, err = s.APIKeys.Update(changed)

	return err
}

// ChangeStatus changes the status of an APIKey, as a patch of the subresource does.
func (s *Server) ChangeStatus(name string, change func(*v1alpha1.APIKeyStatus)) error {
	stored, err := s.APIKeys.Get(name)
	if err != nil {
		return err
	}
	changed := stored.DeepCopy()
	change(&changed.Status)
	_, err = s.UpdateStatus(changed)

	return err
}

// ChangeSecret changes a Secret, as a patch does.
func (s *Server) ChangeSecret(name string, change func(*corev1.Secret)) error {
	stored, err := s.Secrets.Get(name)
	if err != nil {
		return err
	}
	changed := stored.DeepCopy()
	change(changed)
	_, err = s.Secrets.Update(changed)

	return err
}
