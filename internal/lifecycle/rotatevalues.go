// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// rotationValue returns the rotate annotation as the status records it: a long value only as a digest,
// so that neither a novel nor an API key that was put there by mistake ends up in the status.
func rotationValue(apikey *v1alpha1.APIKey) string {
	value := apikey.Annotations[v1alpha1.RotateAnnotation]
	if len(value) <= v1alpha1.MaxRotationValueLength {
		return value
	}
	sum := sha256.Sum256([]byte(value))

	return longValuePrefix + hex.EncodeToString(sum[:maxDigestBytes])
}

// longValuePrefix marks a rotate annotation that is recorded as a digest.
const longValuePrefix = "sha256:"

// maxDigestBytes of the digest of a long rotate annotation are kept, so that the whole fits into 64 characters.
const maxDigestBytes = 24

// rotateDigestBytes of the digest of a rotate annotation are remembered: 16 characters of base64url.
const rotateDigestBytes = 12

// rotateDigest returns the short digest of a rotate annotation, given as the status records it. A long value and its
// recorded form have the same digest, so that a value recorded before rotateValues existed is recognized.
func rotateDigest(recorded string) v1alpha1.RotateDigest {
	sum := sha256.Sum256([]byte(recorded))
	short := sum[:rotateDigestBytes]
	if text, long := strings.CutPrefix(recorded, longValuePrefix); long {
		if decoded, err := hex.DecodeString(text); err == nil && len(decoded) == maxDigestBytes {
			short = decoded[:rotateDigestBytes]
		}
	}

	return v1alpha1.RotateDigest(base64.RawURLEncoding.EncodeToString(short))
}

// rotationRequested tells whether the rotate annotation asks for a rotation: its whole text is not one of the last that were
// acted on. Removing the annotation asks for nothing, and neither does the value that a new object comes with.
func rotationRequested(apikey *v1alpha1.APIKey) bool {
	value := rotationValue(apikey)

	return value != "" && apikey.Status.LastRotation != nil && value != apikey.Status.LastRotation.Value &&
		!slices.Contains(apikey.Status.RotateValues, rotateDigest(value))
}

// remembered returns the digests with further values as the newest ones. It does not change the list that it is given.
func remembered(digests []v1alpha1.RotateDigest, recorded ...string) []v1alpha1.RotateDigest {
	list := slices.Clone(digests)
	for _, value := range recorded {
		if value == "" {
			continue
		}
		digest := rotateDigest(value)
		list = slices.DeleteFunc(list, func(d v1alpha1.RotateDigest) bool { return d == digest })
		list = append(list, digest)
	}

	return list[max(0, len(list)-v1alpha1.MaxRotateValues):]
}

// reappeared returns the digests after the rotate annotation was seen again with a value that was acted on before: it becomes
// the newest. That change of the status is what the event about an ignored request follows from, and it keeps a value that a
// pipeline applies again and again from being forgotten.
func reappeared(apikey *v1alpha1.APIKey) []v1alpha1.RotateDigest {
	digests, value := apikey.Status.RotateValues, rotationValue(apikey)
	if value == "" || !slices.Contains(digests, rotateDigest(value)) {
		return digests
	}

	return remembered(digests, value)
}

// IgnoredRequest tells whether a change of the status says that the rotate annotation was set to a value that was acted on before.
func IgnoredRequest(before, after *v1alpha1.APIKey) bool {
	was, is := before.Status.RotateValues, after.Status.RotateValues
	if len(was) == 0 || len(is) == 0 {
		return false
	}
	newest := is[len(is)-1]

	return newest != was[len(was)-1] && slices.Contains(was, newest)
}

// RequestActedOn returns the rotate annotation if it is the one that the last rotation acted on.
func RequestActedOn(apikey *v1alpha1.APIKey) (string, bool) {
	last := apikey.Status.LastRotation
	acted := last != nil && last.Trigger == v1alpha1.TriggerAnnotation && last.Value == rotationValue(apikey)

	return apikey.Annotations[v1alpha1.RotateAnnotation], acted
}
