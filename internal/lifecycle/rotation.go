// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// rotationValue is the rotate annotation as the status records it: a long value only as a digest,
// so that neither a novel nor an API key that was put there by mistake ends up in the status.
func rotationValue(key *v1alpha1.APIKey) string {
	value := key.Annotations[v1alpha1.RotateAnnotation]
	if len(value) <= v1alpha1.MaxRotationValueLength {
		return value
	}
	sum := sha256.Sum256([]byte(value))

	return "sha256:" + hex.EncodeToString(sum[:maxDigestBytes])
}

// maxDigestBytes of the digest of a long rotate annotation are kept, so that the whole fits into 64 characters.
const maxDigestBytes = 24

// rotationRequested says whether the rotate annotation asks for a rotation. Removing it asks for nothing, and neither
// does one that a new object comes with: that one is recorded when the first key is handed out.
func rotationRequested(key *v1alpha1.APIKey) bool {
	value := rotationValue(key)

	return value != "" && key.Status.LastRotation != nil && value != key.Status.LastRotation.Value
}

// seenValue is what a rotation records as seen. While there is no annotation the last one counts,
// so that taking it out and putting it back asks for nothing.
func seenValue(key *v1alpha1.APIKey) string {
	if value := rotationValue(key); value != "" || key.Status.LastRotation == nil {
		return value
	}

	return key.Status.LastRotation.Value
}

// rotationDue is when spec.rotation.every asks for the next rotation; nil: never.
func rotationDue(key *v1alpha1.APIKey) *metav1.Time {
	if key.Spec.Rotation == nil || key.Status.LastRotation == nil {
		return nil
	}
	every, ok := parseDuration(key.Spec.Rotation.Every)
	if !ok || every <= 0 {
		return nil
	}

	return wholeSecond(key.Status.LastRotation.At.Add(every))
}

// declaredOverlap is spec.rotation.overlap.
func declaredOverlap(key *v1alpha1.APIKey) time.Duration {
	if key.Spec.Rotation == nil {
		return 0
	}
	overlap, _ := parseDuration(key.Spec.Rotation.Overlap)

	return min(overlap, v1alpha1.MaxOverlap)
}

// overlap is how long a key that is replaced now stays valid: the rotate-overlap annotation's word, else the spec's.
func overlap(key *v1alpha1.APIKey) (time.Duration, error) {
	value, ok := key.Annotations[v1alpha1.RotateOverlapAnnotation]
	if !ok || value == "" {
		return declaredOverlap(key), nil
	}
	parsed, err := time.ParseDuration(value)
	if err != nil || parsed < 0 || parsed > v1alpha1.MaxOverlap {
		return declaredOverlap(key), fmt.Errorf(
			"annotation %s must be a duration from 0s to %.0fh, such as \"10m\": correct or remove it, then the rotation goes on",
			v1alpha1.RotateOverlapAnnotation, v1alpha1.MaxOverlap.Hours())
	}

	return parsed, nil
}

// KeepsPrevious says whether a rotation now leaves the key that the Secret holds valid for a while,
// so that it has to stay in the Secret beside the new one.
func KeepsPrevious(o Observed) bool {
	keep, _ := overlap(o.Key)

	return keep > 0 && holds(o, v1alpha1.KeyActive)
}

// trigger is what made a new key necessary. An interrupted rotation whose cause is gone is Recovered.
func trigger(o Observed, now time.Time) v1alpha1.RotationTrigger {
	switch {
	case o.Key.Status.LastRotation == nil:
		return v1alpha1.TriggerCreated
	case rotationRequested(o.Key):
		return v1alpha1.TriggerAnnotation
	case o.Secret.State == SecretAbsent, activeRecord(o.Key.Status.Keys) == nil:
		return v1alpha1.TriggerSecretDeleted
	case modified(o):
		return v1alpha1.TriggerSecretModified
	case reached(rotationDue(o.Key), now):
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
