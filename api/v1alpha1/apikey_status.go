// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Phase is the state of a key in one word.
//
// +kubebuilder:validation:Enum=Pending;Active;Suspended;Revoked;Expired
type Phase string

// The phases. Revoked and Expired are final.
const (
	// PhasePending: no key has been handed out yet.
	PhasePending Phase = "Pending"
	// PhaseActive: verifiers accept the key.
	PhaseActive Phase = "Active"
	// PhaseSuspended: spec.suspend is true; the Secret is kept and the key refused.
	PhaseSuspended Phase = "Suspended"
	// PhaseRevoked: spec.revoked is true, or the key was not claimed in time; the Secret is deleted and the key refused for good.
	PhaseRevoked Phase = "Revoked"
	// PhaseExpired: the expiry has passed; the Secret is deleted and the key refused for good.
	PhaseExpired Phase = "Expired"
)

// KeyState is the state of a record in the write protocol.
//
// +kubebuilder:validation:Enum=Pending;Active;Retiring
type KeyState string

// The states of a record.
const (
	// KeyPending: the key is announced and may be in the Secret. Verifiers accept it, because a workload may hold it.
	KeyPending KeyState = "Pending"
	// KeyActive: the key is in the Secret, or it was claimed and is nowhere in the cluster.
	KeyActive KeyState = "Active"
	// KeyRetiring: the key was replaced or has ended. Verifiers refuse it from notAfter on.
	KeyRetiring KeyState = "Retiring"
)

// KeyRecord is the record of one key. It holds a digest, never the key.
type KeyRecord struct {
	// id is the first 12 characters of digest: what logs and headers call the key.
	// Example: Xr4ilOzQ4PCO
	// +required
	// +kubebuilder:validation:MinLength=12
	// +kubebuilder:validation:MaxLength=12
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	ID string `json:"id,omitempty"`

	// digest is SHA-256 (FIPS 180-4) over the whole key, in base64url without padding (RFC 4648, section 5).
	// Example: Xr4ilOzQ4PCOq3aQ0qbuaQn0B5vlDpFqPBWJhJ3aVwI
	// +required
	// +kubebuilder:validation:MinLength=43
	// +kubebuilder:validation:MaxLength=43
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	Digest string `json:"digest,omitempty"`

	// state is the state of the key: Pending, Active or Retiring.
	// Example: Active
	// +required
	State KeyState `json:"state,omitempty"`

	// createdAt is when the operator drew the key.
	// Example: "2026-11-21T09:30:00Z"
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	CreatedAt metav1.Time `json:"createdAt,omitempty,omitzero"`

	// notAfter is the time from which a Retiring key is refused. It is never raised once it has passed.
	// Example: "2026-11-21T09:40:00Z"
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	NotAfter *metav1.Time `json:"notAfter,omitempty"`

	// claimDeadline is the time from which a key with delivery Once is refused, unless it is claimed before. The operator sets it when
	// it draws the key, never raises it, and removes it when the key is claimed. Not set: the key was claimed, or its delivery is Keep.
	// Example: "2026-11-21T10:30:00Z"
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	ClaimDeadline *metav1.Time `json:"claimDeadline,omitempty"`

	// rotation is the rotation for which the operator drew a Pending key. It is not set once the key is Active.
	// Example: {trigger: Annotation, value: leak-4711, overlap: 0s}
	// +optional
	Rotation *PendingRotation `json:"rotation,omitempty"`
}

// PendingRotation is the rotation for which the operator drew a key.
// ---
// An interrupted rotation is finished according to it, also when the rotate annotation has changed since.
type PendingRotation struct {
	// trigger is what made the operator draw the key.
	// Example: Annotation
	// +required
	Trigger RotationTrigger `json:"trigger,omitempty"`

	// value is the rotate annotation at that time, written as in lastRotation.value.
	// Example: leak-4711
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value,omitempty"`

	// overlap is how long the replaced keys stay valid according to the rotate annotation, from 0s to 720h.
	// Not set: spec.rotation.overlap applies.
	// Example: 0s
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) <= duration('720h')",message="overlap must be at most 720h (30 days)"
	Overlap Duration `json:"overlap,omitempty"`
}

// RotateDigest is a short digest of a rotate annotation: the first 16 characters of its SHA-256 in base64url.
//
// +kubebuilder:validation:MinLength=16
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
type RotateDigest string

// RotationTrigger is what made the operator mint a key.
//
// +kubebuilder:validation:Enum=Created;Annotation;Schedule;SecretDeleted;SecretModified;Recovered
type RotationTrigger string

// The triggers.
const (
	// TriggerCreated: the first key of the APIKey.
	TriggerCreated RotationTrigger = "Created"
	// TriggerAnnotation: the rotate annotation got a new value.
	TriggerAnnotation RotationTrigger = "Annotation"
	// TriggerSchedule: spec.rotation.every had passed.
	TriggerSchedule RotationTrigger = "Schedule"
	// TriggerSecretDeleted: the Secret was deleted, which requests a rotation.
	TriggerSecretDeleted RotationTrigger = "SecretDeleted"
	// TriggerSecretModified: the Secret held other content than the key that the operator had written.
	TriggerSecretModified RotationTrigger = "SecretModified"
	// TriggerRecovered: an interrupted rotation was finished.
	TriggerRecovered RotationTrigger = "Recovered"
)

// LastRotation is the last time a key was handed out.
type LastRotation struct {
	// trigger is what made the operator mint the key.
	// Example: Schedule
	// +required
	Trigger RotationTrigger `json:"trigger,omitempty"`

	// value is the rotate annotation at the time of this rotation: the text itself up to 48 characters,
	// else "sha256:" and its digest.
	// Example: "2026-11-21"
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value,omitempty"`

	// name is value up to its comma. Wait for it after a request for a rotation.
	// Example: leak-4711
	// ---
	// kubectl wait cannot compare a field with a text that contains "=", such as "leak-4711,overlap=0s".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name,omitempty"`

	// at is when the key became active.
	// Example: "2026-11-21T09:30:00Z"
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	At metav1.Time `json:"at,omitempty,omitzero"`
}

// SecretReference is the Secret as the operator last wrote or read it.
type SecretReference struct {
	// name of the Secret, in the namespace of the APIKey.
	// Example: main-website
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the Secret.
	// Example: 0f0ab8a0-6c4c-4a7c-9d2c-6f3f2f0f7d11
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Type=string
	UID types.UID `json:"uid,omitempty"`

	// resourceVersion of the Secret when the operator last read it.
	// Example: "48213"
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// APIKeyStatus is what the operator reports. It never holds a key, only digests.
type APIKeyStatus struct {
	// conditions are Ready and Active, Compliant where an APIKeyPolicy applies, and, only while they are true, Disputed, ExpiringSoon,
	// Reconciling and Stalled.
	// Example: [{type: Ready, status: "True", reason: Minted, message: "Secret main-website holds the key", lastTransitionTime: "2026-11-21T09:30:00Z"}]
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('2000-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('3000-01-01T00:00:00Z'))",message="every lastTransitionTime must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status describes; -1: none yet.
	// Example: 2
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase is the state of the key in one word.
	// Example: Active
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// keys are the records of the keys that are or may be in use, at most 4, newest last.
	// Example: [{id: Xr4ilOzQ4PCO, digest: Xr4ilOzQ4PCOq3aQ0qbuaQn0B5vlDpFqPBWJhJ3aVwI, state: Active, createdAt: "2026-11-21T09:30:00Z"}]
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=4
	Keys []KeyRecord `json:"keys,omitempty"`

	// secretRef is the Secret that holds the key. Not set: there is no Secret.
	// Example: {name: main-website, uid: 0f0ab8a0-6c4c-4a7c-9d2c-6f3f2f0f7d11, resourceVersion: "48213"}
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// claimedAt is when the operator acted on the claim of the active key, with delivery Once. Its Secret is deleted right afterwards.
	// Not set: the active key was not claimed, or its delivery is Keep.
	// Example: "2026-11-21T09:45:00Z"
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	ClaimedAt *metav1.Time `json:"claimedAt,omitempty"`

	// expiresAt is when the key stops: the earliest end by spec and policies when the operator last acted on the spec. A policy that
	// changes later does not move it. Not set: never.
	// Example: "2027-11-21T00:00:00Z"
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// warnedBefore is the shortest time before expiresAt at which the operator has warned of it. The operator emits the event of a warning
	// once, right after it has written this field. A later expiresAt makes the warnings that lie ahead again possible.
	// Not set: it has not warned of this expiresAt.
	// Example: 168h
	// +optional
	WarnedBefore Duration `json:"warnedBefore,omitempty"`

	// rateLimit is the limit in force: the limit of spec or the default of a policy, and never more than the policies allow.
	// Not set: no limit.
	// Example: {requests: 100, per: 1m}
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// lastRotation is the last time a key was handed out.
	// Example: {trigger: Created, at: "2026-11-21T09:30:00Z"}
	// +optional
	LastRotation *LastRotation `json:"lastRotation,omitempty"`

	// rotateValues are short digests of the last 16 values of the rotate annotation that were acted on or came with a new object,
	// in the order in which they were last set. None of them rotates the key again.
	// Example: [q1MKE-RZFJgrefm3]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	RotateValues []RotateDigest `json:"rotateValues,omitempty"`

	// lastUsedAt is when a verifier last accepted the key, within about 5 minutes.
	// Example: "2026-11-21T12:00:00Z"
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	LastUsedAt *metav1.Time `json:"lastUsedAt,omitempty"`
}
