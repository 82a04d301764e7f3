// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// View is what a list shows of an APIKey.
type View struct {
	Namespace, Name, DisplayName string
	Environment                  v1alpha1.Environment
	// Status is status.phase, except that a key whose end has come is Expired also before the operator has reported it, and one that was not
	// claimed in time is Revoked: verifiers refuse both by their own clock.
	Status      v1alpha1.Phase
	Permissions []v1alpha1.Permission
	Roles       []v1alpha1.RoleName
	// Limit is the rate limit in force; nil: none.
	Limit *v1alpha1.RateLimit
	// Expires is when the key ends; nil: never.
	Expires *time.Time
	// LastUsed is when a verifier last accepted the key, to about 5 minutes; nil: never.
	LastUsed *time.Time
	Created  time.Time
	// Secret is the name of the Secret that holds the key; empty: there is none.
	Secret string
	Owner  string
	// Delivery is that of a key that is handed out once.
	Delivery Delivery
	// Message is that of the condition Ready.
	Message string
}

// ViewOf returns what a list shows of an APIKey.
func ViewOf(key *v1alpha1.APIKey, now time.Time) View {
	view := View{
		Namespace: key.Namespace, Name: key.Name, DisplayName: key.Spec.DisplayName,
		Environment: key.Spec.Environment, Status: key.Status.Phase,
		Permissions: key.Spec.Permissions, Roles: key.Spec.Roles,
		Limit: key.Status.RateLimit, Created: key.CreationTimestamp.Time, Owner: key.Spec.Owner,
	}
	if view.Limit == nil {
		view.Limit = key.Spec.RateLimit // until the operator has seen the APIKey
	}
	if end := policy.EnforcedExpiry(key); end != nil {
		view.Expires = &end.Time
	}
	if used := key.Status.LastUsedAt; used != nil {
		view.LastUsed = &used.Time
	}
	if ref := key.Status.SecretRef; ref != nil {
		view.Secret = ref.Name
	}
	if ready := condition(key, v1alpha1.ConditionReady); ready != nil {
		view.Message = ready.Message
	}
	if view.Status == "" {
		view.Status = v1alpha1.PhasePending
	}
	view.Delivery = DeliveryOf(key, now)
	view.end(now)

	return view
}

// end sets the status of a key that has ended by the clock alone.
func (v *View) end(now time.Time) {
	deadline := v.Delivery.Deadline
	switch missed := v.Delivery.Missed && deadline != nil && (v.Expires == nil || deadline.Before(*v.Expires)); {
	case v.Ended():
	case missed:
		v.Status = v1alpha1.PhaseRevoked
	case v.Expires != nil && !now.Before(*v.Expires):
		v.Status = v1alpha1.PhaseExpired
	}
}

// Ended reports whether the key is dead for good.
func (v View) Ended() bool {
	return v.Status.IsFinal()
}

// Idle returns how long the key has not been used: since its last use, or since it was made.
func (v View) Idle(now time.Time) time.Duration {
	if v.LastUsed != nil {
		return now.Sub(*v.LastUsed)
	}

	return now.Sub(v.Created)
}
