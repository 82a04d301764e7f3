// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// causeOf checks that a new key has a cause: it is the first one, no key is active, a rotation was interrupted, the annotation or the
// schedule asks for one, or the Secret does not hold the active key.
func (o *oracle) causeOf(before *v1alpha1.APIKey, r *v1alpha1.KeyRecord) {
	status := &before.Status
	replaced := active(status.Keys)
	if status.LastRotation == nil || replaced == "" || count(status.Keys, v1alpha1.KeyPending) > 0 || r.Rotation == nil {
		return
	}
	var caused bool
	switch r.Rotation.Trigger {
	case v1alpha1.TriggerAnnotation:
		value := before.Annotations[v1alpha1.RotateAnnotation]
		caused = value != "" && value == r.Rotation.Value
	case v1alpha1.TriggerSchedule:
		due := scheduled(before)
		caused = due != nil && !o.world.acting.latest().Before(due.Time)
	default:
		caused = o.heldWhenRead(before.SecretName()) != replaced
	}
	if !caused {
		o.broken("a key is replaced for a cause", "the operator replaces the key of %s because of %s", before.Name, r.Rotation.Trigger)
	}
}

// heldWhenRead returns the digest of the key in the Secret of a name when the pass has read it, or "" if there was none.
func (o *oracle) heldWhenRead(name string) string {
	for _, c := range slices.Backward(o.world.server.Secrets.Log()[:o.world.acting.began]) {
		if nameOf(c) != name {
			continue
		}
		if c.Removed {
			return ""
		}

		return o.held[c.After.ResourceVersion]
	}

	return ""
}

// nameOf returns the name of the Secret that has changed.
func nameOf(c apimodel.Change[*corev1.Secret]) string {
	if c.Removed {
		return c.Before.Name
	}

	return c.After.Name
}

// scheduled returns when the schedule of an APIKey replaces its key, or nil.
func scheduled(k *v1alpha1.APIKey) *metav1.Time {
	if k.Spec.Rotation == nil || k.Status.LastRotation == nil {
		return nil
	}
	every, _ := k.Spec.Rotation.Every.Parse()
	if every == 0 {
		return nil
	}

	return &metav1.Time{Time: k.Status.LastRotation.At.Add(every)}
}

// settledSchedule checks that a key does not outlive its schedule, unless a Secret is in the way of the next one.
func (o *oracle) settledSchedule(k *v1alpha1.APIKey) {
	if due := scheduled(k); reached(due, o.world) && !waits(k) {
		o.broken("a schedule replaces the key", "that of %s was due at %s", k.Name, due.UTC().Format(time.TimeOnly))
	}
}

// askedOverlap returns the overlap of a rotation: its own, or that of the spec.
func askedOverlap(k *v1alpha1.APIKey, rotation *v1alpha1.PendingRotation) time.Duration {
	overlap := rotation.Overlap
	if overlap == "" && k.Spec.Rotation != nil {
		overlap = k.Spec.Rotation.Overlap
	}
	asked, _ := overlap.Parse()

	return asked
}
