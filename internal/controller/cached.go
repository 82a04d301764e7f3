// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"slices"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// What is cached of each object decides how much memory a settled key takes, so what no decision needs is taken off,
// and strings that are the same in most objects are kept once. Labels, annotations, finalizers, owner references and
// managedFields have no limit of their own but that of the whole object, and an editor without any grant can fill them.

// annotationsRead are the annotations of an APIKey that the operator reads.
func annotationsRead() []string {
	return []string{v1alpha1.RotateAnnotation}
}

// shared is one copy of a string for all objects that have it.
func intern[T ~string](s T) T { return unique.Make(s).Value() }

// stripAPIKey takes off what no decision needs: together often more than the rest.
func stripAPIKey(obj any) (any, error) {
	apikey, ok := obj.(*v1alpha1.APIKey)
	if !ok {
		return obj, nil
	}
	apikey.ObjectMeta = identity(&apikey.ObjectMeta)

	// A decoder lets slices grow by doubling; a copy has no room to spare.
	apikey.Spec.Permissions = slices.Clone(apikey.Spec.Permissions)
	apikey.Status.Conditions = slices.Clone(apikey.Status.Conditions)
	apikey.Status.Keys = slices.Clone(apikey.Status.Keys)
	apikey.Status.RotateValues = slices.Clone(apikey.Status.RotateValues)

	apikey.Spec.Environment = intern(apikey.Spec.Environment)
	for i := range apikey.Spec.Permissions {
		apikey.Spec.Permissions[i] = intern(apikey.Spec.Permissions[i])
	}
	apikey.Status.Phase = intern(apikey.Status.Phase)
	if apikey.Status.RateLimit != nil {
		apikey.Status.RateLimit.Per = intern(apikey.Status.RateLimit.Per)
	}
	for i := range apikey.Status.Keys {
		apikey.Status.Keys[i].State = intern(apikey.Status.Keys[i].State)
	}
	for i := range apikey.Status.Conditions {
		c := &apikey.Status.Conditions[i]
		c.Type, c.Status, c.Reason, c.Message = intern(c.Type), intern(c.Status), intern(c.Reason), intern(c.Message)
	}

	return obj, nil
}

// identity is what tells an object, and one version of it, from another, with the annotations that the operator reads.
func identity(meta *metav1.ObjectMeta) metav1.ObjectMeta {
	kept := metav1.ObjectMeta{
		Namespace: intern(meta.Namespace), Name: meta.Name, UID: meta.UID,
		ResourceVersion: meta.ResourceVersion, Generation: meta.Generation,
		CreationTimestamp: meta.CreationTimestamp, DeletionTimestamp: meta.DeletionTimestamp,
	}
	if kept.DeletionTimestamp != nil {
		kept.Finalizers = finalizersRead(meta.Finalizers)
	}
	for _, name := range annotationsRead() {
		if value, ok := meta.Annotations[name]; ok {
			metav1.SetMetaDataAnnotation(&kept, name, value)
		}
	}

	return kept
}

// maxFinalizers is how many finalizers of an object that is being deleted are kept, which Ready names.
const maxFinalizers = 4

// finalizersRead are the first finalizers, and the one that makes the deletion leave the Secret.
func finalizersRead(finalizers []string) []string {
	kept := slices.Clone(finalizers[:min(len(finalizers), maxFinalizers)])
	if orphan := metav1.FinalizerOrphanDependents; slices.Contains(finalizers, orphan) && !slices.Contains(kept, orphan) {
		kept = append(kept, orphan)
	}

	return kept
}

// stripMetadata leaves of the metadata of an object what identifies it, and the label of guardrails.
func stripMetadata(obj any) (any, error) {
	o, ok := obj.(metav1.ObjectMetaAccessor)
	if !ok {
		return obj, nil
	}
	meta, ok := o.GetObjectMeta().(*metav1.ObjectMeta)
	if !ok {
		return obj, nil
	}
	kept := identity(meta)
	if guardrail, ok := meta.Labels[guardrails.Label]; ok {
		kept.Labels = map[string]string{guardrails.Label: guardrail}
	}
	*meta = kept

	return obj, nil
}

// stripNamespace leaves what identifies it and the labels, which selectors of APIKeyPolicies read.
func stripNamespace(obj any) (any, error) {
	namespace, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	kept := identity(&namespace.ObjectMeta)
	kept.Labels = namespace.Labels
	namespace.ObjectMeta = kept

	return obj, nil
}

// stripSecret leaves what tells one version of a Secret from another, and which APIKey controls it. A Secret that
// no APIKey controls, which anyone may make, costs no more than its names and numbers.
func stripSecret(obj any) (any, error) {
	secret, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	owner := controllingAPIKey(secret)
	secret.ObjectMeta = identity(&secret.ObjectMeta)
	if owner == nil {
		return obj, nil
	}
	if owner.Name == secret.Name {
		owner.Name = secret.Name // the same bytes, kept once
	}
	secret.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: intern(owner.APIVersion), Kind: intern(owner.Kind), Name: owner.Name, UID: owner.UID, Controller: owner.Controller,
	}}

	return obj, nil
}

// controllingAPIKey is the reference to the APIKey that controls an object; nil: none does.
func controllingAPIKey(object metav1.Object) *metav1.OwnerReference {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != "APIKey" || owner.APIVersion != v1alpha1.GroupVersion.String() {
		return nil
	}

	return owner
}
