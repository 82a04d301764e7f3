// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"slices"
	"strings"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// The caches keep of each object only the fields that decisions read, and store strings that most objects share once: the cached fields
// decide how much memory a settled key takes. An editor without any grant can fill labels, annotations, finalizers, owner references and
// managedFields up to the limit of the whole object.

// annotationsRead are the annotations of an APIKey that the operator reads.
func annotationsRead() []string {
	return []string{v1alpha1.RotateAnnotation, v1alpha1.ClaimAnnotation}
}

// maxClaim is how many bytes of the claim annotation the cache keeps: one more than an id has, so that a longer value is still no id.
const maxClaim = keys.IDLength + 1

// intern returns the one copy of a string that all objects share.
func intern[T ~string](s T) T { return unique.Make(s).Value() }

// stripAPIKey drops the fields of an APIKey that no decision reads. They are often larger than the rest.
func stripAPIKey(obj any) (any, error) {
	apikey, ok := obj.(*v1alpha1.APIKey)
	if !ok {
		return obj, nil
	}
	apikey.ObjectMeta = identity(&apikey.ObjectMeta)

	// A decoder grows slices by doubling; a clone has no spare capacity.
	apikey.Spec.Permissions = slices.Clone(apikey.Spec.Permissions)
	apikey.Status.Conditions = slices.Clone(apikey.Status.Conditions)
	apikey.Status.Keys = slices.Clone(apikey.Status.Keys)
	apikey.Status.RotateValues = slices.Clone(apikey.Status.RotateValues)

	apikey.Spec.Environment, apikey.Spec.Owner = intern(apikey.Spec.Environment), intern(apikey.Spec.Owner)
	for i := range apikey.Spec.Permissions {
		apikey.Spec.Permissions[i] = intern(apikey.Spec.Permissions[i])
	}
	apikey.Status.Phase = intern(apikey.Status.Phase)
	if apikey.Status.RateLimit != nil {
		apikey.Status.RateLimit.Per = intern(apikey.Status.RateLimit.Per)
	}
	for i := range apikey.Status.Keys {
		r := &apikey.Status.Keys[i]
		r.State = intern(r.State)
		if strings.HasPrefix(r.Digest, r.ID) {
			r.ID = r.Digest[:len(r.ID)] // stores the bytes once
		}
	}
	if ref := apikey.Status.SecretRef; ref != nil && ref.Name == apikey.Name {
		ref.Name = apikey.Name // stores the bytes once
	}
	if last := apikey.Status.LastRotation; last != nil {
		last.Trigger = intern(last.Trigger)
	}
	for i := range apikey.Status.Conditions {
		c := &apikey.Status.Conditions[i]
		c.Type, c.Status, c.Reason, c.Message = intern(c.Type), intern(c.Status), intern(c.Reason), intern(c.Message)
	}

	return obj, nil
}

// identity returns the metadata that identifies an object and its version, and the annotations that the operator reads.
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
			if name == v1alpha1.ClaimAnnotation {
				value = strings.Clone(value[:min(len(value), maxClaim)])
			}
			metav1.SetMetaDataAnnotation(&kept, name, value)
		}
	}

	return kept
}

// maxFinalizers is how many finalizers of an object that is being deleted the cache keeps. Ready names them.
const maxFinalizers = 4

// finalizersRead returns the first finalizers, and the orphan finalizer, with which the deletion leaves the Secret.
func finalizersRead(finalizers []string) []string {
	kept := slices.Clone(finalizers[:min(len(finalizers), maxFinalizers)])
	if orphan := metav1.FinalizerOrphanDependents; slices.Contains(finalizers, orphan) && !slices.Contains(kept, orphan) {
		kept = append(kept, orphan)
	}

	return kept
}

// stripMetadata keeps the identity of an object and the label of guardrails.
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

// stripNamespace keeps the identity of a namespace and its labels, which the selectors of APIKeyPolicies read.
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

// stripSecret keeps the identity of a Secret and the reference to the APIKey that controls it. Any editor can create Secrets that no
// APIKey controls; the cache keeps their identity alone.
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
		owner.Name = secret.Name // stores the bytes once
	}
	secret.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: intern(owner.APIVersion), Kind: intern(owner.Kind), Name: owner.Name, UID: owner.UID, Controller: owner.Controller,
	}}

	return obj, nil
}

// controllingAPIKey returns the reference to the APIKey that controls an object, or nil.
func controllingAPIKey(object metav1.Object) *metav1.OwnerReference {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != "APIKey" || owner.APIVersion != v1alpha1.GroupVersion.String() {
		return nil
	}

	return owner
}
