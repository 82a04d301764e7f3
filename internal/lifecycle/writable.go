// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// statusOf returns a copy of the status that the schema accepts. A time that an older schema stored and the current one refuses, such
// as one that an offset moves to the year 10000, would make every later write fail.
func statusOf(apikey *v1alpha1.APIKey) v1alpha1.APIKeyStatus {
	s := *apikey.Status.DeepCopy()
	if s.LastUsedAt != nil && !writable(s.LastUsedAt) {
		s.LastUsedAt = nil // the time is unknown
	}
	s.ExpiresAt, s.ClaimedAt = inRange(s.ExpiresAt), inRange(s.ClaimedAt)
	if s.LastRotation != nil {
		s.LastRotation.At = *inRange(&s.LastRotation.At)
	}
	keepInRange(s.Keys)
	for i := range s.Conditions {
		s.Conditions[i].LastTransitionTime = *inRange(&s.Conditions[i].LastTransitionTime)
	}

	return s
}

// keepInRange moves the times of records to the nearest times that the schema accepts.
func keepInRange(records []v1alpha1.KeyRecord) {
	for i := range records {
		r := &records[i]
		r.CreatedAt, r.NotAfter, r.ClaimDeadline = *inRange(&r.CreatedAt), inRange(r.NotAfter), inRange(r.ClaimDeadline)
	}
}

// inRange returns a time, or the nearest time that the schema accepts.
func inRange(t *metav1.Time) *metav1.Time {
	if t == nil || writable(t) {
		return t
	}

	return v1alpha1.StorableTime(t.Time)
}

// writable reports whether the schema accepts a time.
func writable(t *metav1.Time) bool { return v1alpha1.StorableTime(t.Time).Unix() == t.Unix() }
