// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// rotationDue is when spec.rotation.every asks for the next rotation; nil: never.
func rotationDue(key *v1alpha1.APIKey) *metav1.Time {
	if key.Spec.Rotation == nil || key.Status.LastRotation == nil {
		return nil
	}
	every, ok := key.Spec.Rotation.Every.Parse()
	if !ok || every <= 0 {
		return nil
	}

	return v1alpha1.StorableTime(key.Status.LastRotation.At.Add(every))
}

// declaredOverlap is spec.rotation.overlap.
func declaredOverlap(key *v1alpha1.APIKey) time.Duration {
	if key.Spec.Rotation == nil {
		return 0
	}
	overlap, _ := key.Spec.Rotation.Overlap.Parse()

	return min(overlap, v1alpha1.MaxOverlap)
}

// pendingRotation is the rotation that a key drawn now is for, as its record keeps it until the key is handed out.
// An interrupted rotation so ends as it was asked for, also when the annotation has changed in between.
func pendingRotation(o Observed, now time.Time) *v1alpha1.PendingRotation {
	return &v1alpha1.PendingRotation{
		Trigger: trigger(o, now), Value: rotationValue(o.APIKey), Overlap: requestedOverlap(o.APIKey),
	}
}

// requestedOverlap is the overlap that the rotate annotation asks for where a key drawn now acts on it; empty: spec's applies.
// A rotation that was interrupted and is begun again keeps its overlap, and the shortest of several counts:
// an overlap of zero is how a leaked key is stopped.
func requestedOverlap(key *v1alpha1.APIKey) v1alpha1.Duration {
	var shortest v1alpha1.Duration
	consider := func(candidate v1alpha1.Duration) {
		if candidate == "" {
			return
		}
		was, _ := shortest.Parse()
		if is, _ := candidate.Parse(); shortest == "" || is < was {
			shortest = candidate
		}
	}
	if rotationRequested(key) {
		// A request that cannot be read is reported by an event and uses the overlap of spec.
		request, _ := policy.ParseRotateRequest(key.Annotations[v1alpha1.RotateAnnotation])
		consider(request.Overlap)
	}
	for i := range key.Status.Keys {
		if r := &key.Status.Keys[i]; r.State == v1alpha1.KeyPending && r.Rotation != nil {
			consider(r.Rotation.Overlap)
		}
	}

	return shortest
}

// overlapOf is how long the keys before it stay valid once a key is handed out that was drawn for a rotation: as long as was
// asked for, and never longer than the policies of today allow.
func overlapOf(o Observed, rotation *v1alpha1.PendingRotation) time.Duration {
	overlap := declaredOverlap(o.APIKey)
	if rotation.Overlap != "" {
		overlap, _ = rotation.Overlap.Parse()
	}

	return o.terms().LimitOverlap(min(overlap, v1alpha1.MaxOverlap))
}

// announcedRotation is what an announced key was drawn for. The record of an operator that did not keep it is taken for one that
// acts on what is asked for now.
func announcedRotation(o Observed, record *v1alpha1.KeyRecord, now time.Time) *v1alpha1.PendingRotation {
	if record == nil || record.Rotation == nil {
		return pendingRotation(o, now)
	}

	return record.Rotation
}

// KeepsPrevious says whether handing out the key that was announced last, or one announced now, leaves the key that the
// Secret holds valid for a while, so that it has to stay in the Secret beside the new one.
func KeepsPrevious(o Observed, now time.Time) bool {
	var newest *v1alpha1.KeyRecord
	for i := range o.APIKey.Status.Keys {
		if o.APIKey.Status.Keys[i].State == v1alpha1.KeyPending {
			newest = &o.APIKey.Status.Keys[i]
		}
	}

	return holds(o, v1alpha1.KeyActive) && overlapOf(o, announcedRotation(o, newest, now)) > 0
}

// valuesActedOn are the values of the rotate annotation that a rotation acts on by handing out a key: its own, and those of
// rotations that were interrupted before it began. One that was announced after it is for a request that came later.
func valuesActedOn(records []v1alpha1.KeyRecord, digest string, rotation *v1alpha1.PendingRotation) []string {
	var values []string
	for i := range records {
		if records[i].Digest == digest {
			break
		}
		if r := records[i].Rotation; records[i].State == v1alpha1.KeyPending && r != nil {
			values = append(values, r.Value)
		}
	}

	return append(values, rotation.Value)
}

// rotated puts a rotation that handed out a key into the status. While there is no annotation the value before it stays,
// so that taking it out and putting it back asks for nothing.
func rotated(s *v1alpha1.APIKeyStatus, trigger v1alpha1.RotationTrigger, values []string, now time.Time) {
	before := ""
	if s.LastRotation != nil {
		before = s.LastRotation.Value
	}
	if len(s.RotateValues) == 0 { // the status of an operator that remembered the last value alone
		s.RotateValues = remembered(nil, before)
	}
	s.RotateValues = remembered(s.RotateValues, values...)
	value := newest(append([]string{before}, values...))
	name, _, _ := strings.Cut(value, ",")
	s.LastRotation = &v1alpha1.LastRotation{Trigger: trigger, Value: value, Name: name, At: *v1alpha1.StorableTime(now)}
}

// newest returns the last value that is not empty.
func newest(values []string) string {
	for _, value := range slices.Backward(values) {
		if value != "" {
			return value
		}
	}

	return ""
}

// trigger is what made a new key necessary. An interrupted rotation whose cause is gone is Recovered.
func trigger(o Observed, now time.Time) v1alpha1.RotationTrigger {
	switch {
	case o.APIKey.Status.LastRotation == nil:
		return v1alpha1.TriggerCreated
	case rotationRequested(o.APIKey):
		return v1alpha1.TriggerAnnotation
	case o.Secret.State == SecretAbsent, activeRecord(o.APIKey.Status.Keys) == nil:
		return v1alpha1.TriggerSecretDeleted
	case modified(o):
		return v1alpha1.TriggerSecretModified
	case reached(rotationDue(o.APIKey), now):
		return v1alpha1.TriggerSchedule
	default:
		return v1alpha1.TriggerRecovered
	}
}

// modified says whether the Secret holds something that the operator has not put there, or not last:
// an edit, or a backup that was restored.
func modified(o Observed) bool {
	return o.Secret.State == SecretOwned && !o.Secret.Fenced &&
		!holds(o, v1alpha1.KeyActive) && !holds(o, v1alpha1.KeyPending)
}
