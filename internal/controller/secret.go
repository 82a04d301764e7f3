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

// quiet is a context whose logger says nothing. From verbosity 8 on client-go logs the bodies of requests and responses;
// those of Secrets hold keys, so every call for a Secret is made with a context like this.
func withoutLogs(ctx context.Context) context.Context { return logr.NewContext(ctx, logr.Discard()) }

// draft is the Secret to write: the one that was read, in shape, or a new one.
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

// setAccount records on a Secret which keys are valid once it is written.
func setAccount(secret *corev1.Secret, records []v1alpha1.KeyRecord) {
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.SecretValidKeysAnnotation, lifecycle.FormatAccount(records))
}

// writeSecret creates a Secret that was not there, or updates one if it is still what was read: the draft carries that
// one's uid and resourceVersion. The error never quotes the key, whatever quotes it in the error of the API server.
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

// applied is what SecretAppliedAnnotation holds: the names that came from spec.secret.
type applied struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// inShape says whether labels and annotations of a Secret are as declared.
func inShape(apikey *v1alpha1.APIKey, secret *corev1.Secret) bool {
	want := &corev1.Secret{ObjectMeta: *secret.ObjectMeta.DeepCopy()}
	shape(apikey, want)

	return equality.Semantic.DeepEqual(want.Labels, secret.Labels) &&
		equality.Semantic.DeepEqual(want.Annotations, secret.Annotations)
}

// shape puts the declared labels and annotations on a Secret and takes those off that were declared before.
// It leaves alone what others have put there.
func shape(apikey *v1alpha1.APIKey, secret *corev1.Secret) {
	var before applied
	// What somebody has made unreadable names nothing to take off; it is written anew below.
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
