// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Delivery tells how far the delivery of a key is that is handed out once. The zero value is that of a key whose Secret stays.
type Delivery struct {
	// Once reports that the Secret exists only until the key is claimed.
	Once bool
	// ClaimedAt is when the key was claimed; nil: it was not.
	ClaimedAt *time.Time
	// Deadline is when the key is revoked unless it is claimed; nil: it was claimed, or there is none yet.
	Deadline *time.Time
	// Missed reports that the key was not claimed in time.
	Missed bool
}

// DeliveryOf returns how far the delivery of a key is.
func DeliveryOf(key *v1alpha1.APIKey, now time.Time) Delivery {
	delivery := Delivery{Once: key.DeliversOnce()}
	if !delivery.Once {
		return delivery
	}
	if claimed := key.Status.ClaimedAt; claimed != nil {
		delivery.ClaimedAt = &claimed.Time
	}
	if deadline := policy.ClaimDeadline(key); deadline != nil {
		delivery.Deadline = &deadline.Time
	}
	active := condition(key, v1alpha1.ConditionActive)
	delivery.Missed = delivery.Deadline != nil && !now.Before(*delivery.Deadline) ||
		key.Status.Phase == v1alpha1.PhaseRevoked && active != nil && active.Reason == v1alpha1.ReasonNotClaimed

	return delivery
}

// Awaits reports whether the key can be claimed.
func (d Delivery) Awaits() bool { return d.Deadline != nil && !d.Missed }
