// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// status returns the status of a restored APIKey: that of the backup, with what differs for the new object.
func (e *Entry) status(live *v1alpha1.APIKey, secret *corev1.Secret, now time.Time) v1alpha1.APIKeyStatus {
	restored := live.DeepCopy()
	status := e.APIKey.Status.DeepCopy()
	restored.Status = *status
	s := &restored.Status
	s.SecretRef = nil
	if secret != nil {
		s.SecretRef = &v1alpha1.SecretReference{Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion}
	}
	if status.ObservedGeneration == e.APIKey.Generation {
		s.ObservedGeneration = live.Generation
	} else {
		s.ObservedGeneration = max(live.Generation-1, 0)
	}
	for i := range s.Conditions {
		s.Conditions[i].ObservedGeneration = min(s.Conditions[i].ObservedGeneration, s.ObservedGeneration)
		if status.Conditions[i].ObservedGeneration == status.ObservedGeneration {
			s.Conditions[i].ObservedGeneration = s.ObservedGeneration
		}
	}
	if live.Spec.ExpiresAt != nil && (s.ExpiresAt == nil || live.Spec.ExpiresAt.Before(s.ExpiresAt)) {
		s.ExpiresAt = v1alpha1.StorableTime(live.Spec.ExpiresAt.Time)
	}
	if e.ended(now) {
		return lifecycle.Closed(lifecycle.Observed{APIKey: restored, Secret: lifecycle.Secret{State: lifecycle.SecretAbsent}, PoliciesUnknown: true}, now)
	}

	return *s
}

// scrubbed returns an error whose text has no key of the Secret: an admission plugin can quote the object that it refuses.
func (e *Entry) scrubbed(err error) error {
	if err == nil || e.Secret == nil {
		return err
	}
	text := err.Error()
	for _, value := range e.Secret.Data {
		if key, invalid := keys.Parse(string(value)); invalid == nil {
			text = key.Scrub(text)
		}
	}

	return &scrubbedError{text: keys.Redact(text), err: err}
}

// scrubbedError is an error with a text that is safe to print.
type scrubbedError struct {
	text string
	err  error
}

// Error implements error.
func (e *scrubbedError) Error() string { return e.text }

// Unwrap returns the error, for its kind.
func (e *scrubbedError) Unwrap() error { return e.err }
