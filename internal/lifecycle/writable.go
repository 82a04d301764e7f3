// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// statusOf returns a copy of the status of a key that the schema lets be written. A time that a laxer schema once stored and that
// cannot be written again, such as one that an offset carries into the year 10000, would make every later write fail.
func statusOf(key *v1alpha1.APIKey) v1alpha1.APIKeyStatus {
	s := *key.Status.DeepCopy()
	if s.LastUsedAt != nil && !writable(s.LastUsedAt) {
		s.LastUsedAt = nil // nobody knows when it was
	}
	s.ExpiresAt = inRange(s.ExpiresAt)
	if s.LastRotation != nil {
		s.LastRotation.At = *inRange(&s.LastRotation.At)
	}
	keepInRange(s.Keys)
	for i := range s.Conditions {
		s.Conditions[i].LastTransitionTime = *inRange(&s.Conditions[i].LastTransitionTime)
	}

	return s
}

// keepInRange moves the times of records to the nearest ones that can be written.
func keepInRange(records []v1alpha1.KeyRecord) {
	for i := range records {
		records[i].CreatedAt, records[i].NotAfter = *inRange(&records[i].CreatedAt), inRange(records[i].NotAfter)
	}
}

// inRange returns a time, or the nearest one that can be written.
func inRange(t *metav1.Time) *metav1.Time {
	if t == nil || writable(t) {
		return t
	}

	return v1alpha1.StorableTime(t.Time)
}

// writable tells whether the schema accepts a time.
func writable(t *metav1.Time) bool { return v1alpha1.StorableTime(t.Time).Unix() == t.Unix() }
