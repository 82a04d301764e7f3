// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// expiryEvents returns the event that warns of the expiry, if the change of status is such a warning.
func expiryEvents(before, after *v1alpha1.APIKey) []event {
	period, warned := lifecycle.Warned(before, after)
	if !warned || after.Status.ExpiresAt == nil {
		return nil
	}

	return []event{{
		kind: corev1.EventTypeWarning, reason: v1alpha1.ReasonExpiringSoon, action: actionCheck,
		note: fmt.Sprintf("The key expires at %s, within %s, and cannot be renewed afterwards",
			after.Status.ExpiresAt.UTC().Format(time.RFC3339), lifecycle.Within(period)),
	}}
}
