// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The range of times that the schema accepts, in seconds since 1970.
const (
	minSeconds = 946684800   // 2000-01-01T00:00:00Z
	maxSeconds = 32503679999 // 2999-12-31T23:59:59Z
)

// StorableTime returns a time in whole seconds, moved to the nearest time that the schema accepts.
func StorableTime(t time.Time) *metav1.Time {
	return &metav1.Time{Time: time.Unix(min(max(t.Unix(), minSeconds), maxSeconds), 0).UTC()}
}

// Parse returns the length of the duration. It returns 0 and false if the duration is empty, negative or malformed; the schema
// refuses such a value, but an object that was stored under an older schema can hold one.
func (d Duration) Parse() (time.Duration, bool) {
	parsed, err := time.ParseDuration(string(d))
	if err != nil || parsed < 0 {
		return 0, false
	}

	return parsed, true
}
