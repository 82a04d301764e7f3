// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// withoutLogs returns a context whose logger discards everything. From verbosity 8 on client-go logs the bodies of requests and responses.
// Bodies of Secrets hold keys, so every call for a Secret uses such a context.
func withoutLogs(ctx context.Context) context.Context { return logr.NewContext(ctx, logr.Discard()) }

// draft returns the Secret to write: the Secret that was read, or a new one, with the declared labels and annotations.
func (r *Reconciler) draft(a *attempt) (*corev1.Secret, error) {
	apikey := a.observed.APIKey
	secret := &corev1.Secret{Type: v1alpha1.SecretType}
	if a.secret != nil {
		secret = a.secret.DeepCopy()
	}
	secret.Namespace, secret.Name = apikey.Namespace, apikey.SecretName()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	shape(apikey, secret)
	if err := controllerutil.SetControllerReference(apikey, secret, r.APIKeys.Scheme()); err != nil {
		return nil, fmt.Errorf("make APIKey %s/%s the owner of its Secret: %w", apikey.Namespace, apikey.Name, err)
	}

	return secret, nil
}

// setAccount annotates a Secret with the keys that are valid once it is written.
func setAccount(secret *corev1.Secret, records []v1alpha1.KeyRecord) {
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.SecretValidKeysAnnotation, lifecycle.FormatAccount(records))
}

// writeSecret creates a Secret that did not exist, or updates the version that was read: the draft carries its uid and resourceVersion.
// The returned error never quotes the key, even if the error of the API server does.
func (r *Reconciler) writeSecret(ctx context.Context, secret *corev1.Secret, key keys.Key) error {
	verb, write := "create", func() error { return r.Secrets.Create(withoutLogs(ctx), secret) }
	if secret.ResourceVersion != "" {
		verb, write = "update", func() error { return r.Secrets.Update(withoutLogs(ctx), secret) }
	}
	announced := ""
	if !key.IsZero() {
		announced = key.Digest().String()
	}

	return asRefused(scrubbed(write(), key), announced, "%s Secret %s/%s", verb, secret.Namespace, secret.Name)
}

// applied is the content of SecretAppliedAnnotation: the names of the labels and annotations that came from spec.secret.
type applied struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// inShape reports whether a Secret has the declared labels and annotations.
func inShape(apikey *v1alpha1.APIKey, secret *corev1.Secret) bool {
	want := &corev1.Secret{ObjectMeta: *secret.ObjectMeta.DeepCopy()}
	shape(apikey, want)

	return equality.Semantic.DeepEqual(want.Labels, secret.Labels) &&
		equality.Semantic.DeepEqual(want.Annotations, secret.Annotations)
}

// shape sets the declared labels and annotations on a Secret and removes those that are no longer declared. It keeps all others.
func shape(apikey *v1alpha1.APIKey, secret *corev1.Secret) {
	var before applied
	// An annotation that cannot be parsed names nothing to remove; it is written again below.
	_ = json.Unmarshal([]byte(secret.Annotations[v1alpha1.SecretAppliedAnnotation]), &before)
	for _, name := range before.Labels {
		delete(secret.Labels, name)
	}
	for _, name := range before.Annotations {
		delete(secret.Annotations, name)
	}
	delete(secret.Annotations, v1alpha1.SecretAppliedAnnotation)

	metav1.SetMetaDataLabel(&secret.ObjectMeta, v1alpha1.SecretManagedByLabel, v1alpha1.SecretManagedByValue)
	template := apikey.Spec.Secret
	if template == nil || len(template.Labels)+len(template.Annotations) == 0 {
		return
	}
	for name, value := range template.Labels {
		metav1.SetMetaDataLabel(&secret.ObjectMeta, name, string(value))
	}
	for name, value := range template.Annotations {
		metav1.SetMetaDataAnnotation(&secret.ObjectMeta, name, string(value))
	}
	names, _ := json.Marshal(applied{ // two lists of strings always marshal
		Labels:      slices.Sorted(maps.Keys(template.Labels)),
		Annotations: slices.Sorted(maps.Keys(template.Annotations)),
	})
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.SecretAppliedAnnotation, string(names))
}
