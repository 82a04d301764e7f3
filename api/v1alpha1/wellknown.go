// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// Annotations on an APIKey. The operator reads them and never writes them: the pipeline that applies the manifest owns them.
const (
	// RotateAnnotation requests one rotation by any value that is not among the last MaxRotateValues values that were acted on.
	// The value "leak-4711,overlap=0s" sets how long the replaced key stays valid, from 0s to MaxOverlap; without an overlap
	// spec.rotation.overlap applies. The whole text is the value, so another overlap makes another value.
	RotateAnnotation = GroupName + "/rotate"

	// ClaimAnnotation claims the key whose record has the id that is its value, for an APIKey with delivery Once. The operator then deletes
	// the Secret. Any other value is ignored, so an annotation that stays or is applied again never claims a later delivery.
	ClaimAnnotation = GroupName + "/claim"
)

// The Secret of an APIKey.
const (
	// SecretType is the type of every Secret that the operator writes. It watches no others.
	SecretType = GroupName + "/api-key"

	// SecretKeyDefault is the data key that holds the API key where spec.secret.key does not name another.
	SecretKeyDefault = "api-key"

	// SecretPreviousKeyPrefix is the prefix of the data key that holds the previous API key while an overlap runs.
	SecretPreviousKeyPrefix = "previous-"

	// SecretManagedByLabel and its value mark the Secrets of this operator.
	SecretManagedByLabel = "app.kubernetes.io/managed-by"

	// SecretManagedByValue is the value of SecretManagedByLabel.
	SecretManagedByValue = "apikey-operator"

	// SecretAppliedAnnotation on a Secret names the labels and annotations that came from spec.secret. The operator removes a name from the
	// Secret that is no longer in spec.secret.
	SecretAppliedAnnotation = GroupName + "/applied-metadata"

	// SecretValidKeysAnnotation on a Secret holds the digests of the keys that are valid since its last write: the digest of the active key,
	// and each other digest with "@" and its end in seconds since 1970. The operator drops every record of status.keys that the
	// annotation does not list.
	SecretValidKeysAnnotation = GroupName + "/valid-keys"

	// SecretFenceAnnotation on a Secret changes when the operator invalidates a write that may still be under way.
	SecretFenceAnnotation = GroupName + "/fence"
)

// Limits that admission enforces and that other packages rely on.
const (
	// MaxKeys is how many key records status.keys holds at most.
	MaxKeys = 4

	// MaxPermissionLength is how many characters a permission has at most.
	MaxPermissionLength = 64

	// MaxOverlap is the longest time for which a replaced key stays valid: 30 days.
	MaxOverlap = 720 * time.Hour

	// MaxNotAfter is how far ahead the notAfter of a replaced key may be. Operator and verifier treat a key with a later notAfter as ended,
	// because no rotation writes one. The minute beyond MaxOverlap allows for clock skew: a verifier whose clock is behind accepts a key
	// that was replaced a moment ago.
	MaxNotAfter = MaxOverlap + time.Minute

	// ClaimBeforeDefault is how long a key may be claimed where spec.secret.claimBefore is not set.
	ClaimBeforeDefault = time.Hour

	// MaxClaimBefore is the most that spec.secret.claimBefore may be: 30 days.
	MaxClaimBefore = MaxOverlap

	// MaxRotateValues is how many values of the rotate annotation status.rotateValues remembers.
	MaxRotateValues = 16

	// MaxRotationValueLength is how many characters of the rotate annotation status.lastRotation.value holds as they are.
	// A longer value is stored as a digest: every API key is longer, so none can end up in the status.
	MaxRotationValueLength = 48
)
