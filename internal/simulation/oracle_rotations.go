// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// promoted checks that the key of a new Active record is in the Secret, what becomes of the older ones, and that its request was not served.
func (o *oracle) promoted(before, after *v1alpha1.APIKey, digest string) {
	ref, last := after.Status.SecretRef, after.Status.LastRotation
	if ref == nil || last == nil || !o.holds(ref, digest) {
		o.broken("an Active key is in its Secret", "the Secret that the status of %s names does not hold the key", after.Name)

		return
	}
	meddled := o.meddledWith[after.UID]
	pending := recordOf(before.Status.Keys, digest)
	if pending != nil && pending.Rotation != nil {
		o.announcedFor(after, pending.Rotation)
	}
	if last.Trigger == v1alpha1.TriggerAnnotation && !meddled {
		request := servedRequest{after.UID, last.Value}
		if o.served[request]++; o.served[request] > 1 {
			o.broken("a request rotates once", "%s of %s was acted on twice", last.Value, after.Name)
		}
	}
	if pending != nil && pending.Rotation != nil {
		o.replaced(before, after, pending, meddled)
	}
	delete(o.meddledWith, after.UID)
	delete(o.claims, after.UID)
}

// unexamined is the resourceVersion with which a status asks for another read of its Secret.
const unexamined = "0"

// holds reports whether the version of a Secret that a status names holds a key.
func (o *oracle) holds(ref *v1alpha1.SecretReference, digest string) bool {
	if ref.ResourceVersion != unexamined {
		return o.held[ref.ResourceVersion] == digest
	}

	return slices.ContainsFunc(o.world.server.Secrets.Log(), func(c apimodel.Change[*corev1.Secret]) bool {
		return !c.Removed && c.After.UID == ref.UID && o.held[c.After.ResourceVersion] == digest
	})
}

// replaced checks what becomes of the older keys: without an overlap they stop, with one the last one stays as long as was asked for.
func (o *oracle) replaced(before, after *v1alpha1.APIKey, pending *v1alpha1.KeyRecord, meddled bool) {
	old := active(before.Status.Keys)
	switch asked := askedOverlap(after, pending.Rotation); {
	case asked == 0:
		if len(after.Status.Keys) != 1 {
			o.broken("without an overlap older keys stop", "%d records are left of %s", len(after.Status.Keys), after.Name)
		}
	case old != "" && !meddled && !o.touched[after.SecretName()] && count(before.Status.Keys, v1alpha1.KeyPending) == 1:
		o.overlaps(after, recordOf(before.Status.Keys, old), pending, asked)
	}
}

// overlaps checks that an old key stays as long as was asked for, or until it would have had to be claimed.
func (o *oracle) overlaps(after *v1alpha1.APIKey, old, pending *v1alpha1.KeyRecord, asked time.Duration) {
	const exactness = 2 * time.Second
	// The Secret has the end from when the key was handed out, by the clock of that time.
	acting := o.world.acting
	times := []time.Time{acting.operator.Now(), acting.clock, pending.CreatedAt.Time}
	drawn, now := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
	if now.After(drawn.Add(asked-exactness)) || old.ClaimDeadline != nil && old.ClaimDeadline.Time.Before(now.Add(asked+exactness)) {
		return // the overlap is over, or ends at the deadline
	}
	r := recordOf(after.Status.Keys, old.Digest)
	if r == nil || r.NotAfter == nil || r.NotAfter.Time.Before(drawn.Add(asked-exactness)) || r.NotAfter.After(now.Add(asked+exactness)) {
		o.broken("with an overlap the old key stays", "the old key of %s does not stay for %s", after.Name, asked)
	}
}

// announcedFor checks that a rotation ends with the cause that its record had, whatever the annotation says by then.
func (o *oracle) announcedFor(apikey *v1alpha1.APIKey, cause *v1alpha1.PendingRotation) {
	last := apikey.Status.LastRotation
	if last.Trigger != cause.Trigger || cause.Value != "" && last.Value != cause.Value {
		const format = "%s: announced %s %q, recorded %s %q"
		o.broken("a rotation ends as it was announced", format, apikey.Name, cause.Trigger, cause.Value, last.Trigger, last.Value)
	}
}
