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

// rotationDue returns the time of the next scheduled rotation; nil means never.
func rotationDue(apikey *v1alpha1.APIKey) *metav1.Time {
	if apikey.Spec.Rotation == nil || apikey.Status.LastRotation == nil {
		return nil
	}
	every, ok := apikey.Spec.Rotation.Every.Parse()
	if !ok || every <= 0 {
		return nil
	}

	return v1alpha1.StorableTime(apikey.Status.LastRotation.At.Add(every))
}

// declaredOverlap returns spec.rotation.overlap, at most MaxOverlap.
func declaredOverlap(apikey *v1alpha1.APIKey) time.Duration {
	if apikey.Spec.Rotation == nil {
		return 0
	}
	overlap, _ := apikey.Spec.Rotation.Overlap.Parse()

	return min(overlap, v1alpha1.MaxOverlap)
}

// pendingRotation returns the cause of a key that is drawn now. The record keeps it until the key is handed out, so an interrupted
// rotation ends as requested even if the annotation changes in between.
func pendingRotation(o Observed, now time.Time) *v1alpha1.PendingRotation {
	return &v1alpha1.PendingRotation{
		Trigger: trigger(o, now), Value: rotationValue(o.APIKey), Overlap: requestedOverlap(o.APIKey),
	}
}

// requestedOverlap returns the overlap that the rotate annotation requests of a key drawn now; "" means that of spec. A rotation that
// starts again after an interruption keeps its overlap. The shortest of several overlaps applies, because users stop a leaked key
// with an overlap of zero.
func requestedOverlap(apikey *v1alpha1.APIKey) v1alpha1.Duration {
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
	if rotationRequested(apikey) {
		// The operator emits an event for a malformed request, which uses the overlap of spec.
		request, _ := policy.ParseRotateRequest(apikey.Annotations[v1alpha1.RotateAnnotation])
		consider(request.Overlap)
	}
	for i := range apikey.Status.Keys {
		if r := &apikey.Status.Keys[i]; r.State == v1alpha1.KeyPending && r.Rotation != nil {
			consider(r.Rotation.Overlap)
		}
	}

	return shortest
}

// overlapOf returns how long older keys stay valid after the key of a rotation is handed out: the requested overlap, shortened to what
// current policies allow.
func overlapOf(o Observed, rotation *v1alpha1.PendingRotation) time.Duration {
	overlap := declaredOverlap(o.APIKey)
	if rotation.Overlap != "" {
		overlap, _ = rotation.Overlap.Parse()
	}

	return o.terms().LimitOverlap(min(overlap, v1alpha1.MaxOverlap))
}

// announcedRotation returns the cause of an announced key. For a record of an older operator, which kept none, it is the current cause.
func announcedRotation(o Observed, record *v1alpha1.KeyRecord, now time.Time) *v1alpha1.PendingRotation {
	if record == nil || record.Rotation == nil {
		return pendingRotation(o, now)
	}

	return record.Rotation
}

// KeepsPrevious reports whether the key in the Secret stays valid for an overlap after the key that was announced last, or is announced
// now, is handed out. Then the Secret holds both.
func KeepsPrevious(o Observed, now time.Time) bool {
	var newest *v1alpha1.KeyRecord
	for i := range o.APIKey.Status.Keys {
		if o.APIKey.Status.Keys[i].State == v1alpha1.KeyPending {
			newest = &o.APIKey.Status.Keys[i]
		}
	}

	return holds(o, v1alpha1.KeyActive) && overlapOf(o, announcedRotation(o, newest, now)) > 0
}

// valuesActedOn returns the values of the rotate annotation that a rotation serves: its own and those of rotations that were
// interrupted before it began. A key announced after it serves a later request.
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

// recordRotation puts a rotation that handed out a key into the status. Without an annotation the previous value stays, so that removing
// and restoring the annotation requests nothing.
func recordRotation(s *v1alpha1.APIKeyStatus, trigger v1alpha1.RotationTrigger, values []string, now time.Time) {
	before := ""
	if s.LastRotation != nil {
		before = s.LastRotation.Value
	}
	if len(s.RotateValues) == 0 { // a status from an older operator has the last value only
		s.RotateValues = remembered(nil, before)
	}
	s.RotateValues = remembered(s.RotateValues, values...)
	value := newest(append([]string{before}, values...))
	name, _, _ := strings.Cut(value, ",")
	s.LastRotation = &v1alpha1.LastRotation{Trigger: trigger, Value: value, Name: name, At: *v1alpha1.StorableTime(now)}
}

// newest returns the last value that is not empty, or "".
func newest(values []string) string {
	for _, value := range slices.Backward(values) {
		if value != "" {
			return value
		}
	}

	return ""
}

// trigger returns why a new key is needed. An interrupted rotation whose cause is gone is Recovered.
func trigger(o Observed, now time.Time) v1alpha1.RotationTrigger {
	switch {
	case o.APIKey.Status.LastRotation == nil:
		return v1alpha1.TriggerCreated
	case rotationRequested(o.APIKey):
		return v1alpha1.TriggerAnnotation
	case !claimed(o) && (o.Secret.State == SecretAbsent || activeRecord(o.APIKey.Status.Keys) == nil):
		return v1alpha1.TriggerSecretDeleted
	case !claimed(o) && modified(o):
		return v1alpha1.TriggerSecretModified
	case reached(rotationDue(o.APIKey), now):
		return v1alpha1.TriggerSchedule
	default:
		return v1alpha1.TriggerRecovered
	}
}

// modified reports whether the Secret holds a value that the operator did not write last: an edit or a restored backup.
func modified(o Observed) bool {
	return o.Secret.State == SecretOwned && !o.Secret.Fenced &&
		!holds(o, v1alpha1.KeyActive) && !holds(o, v1alpha1.KeyPending)
}
