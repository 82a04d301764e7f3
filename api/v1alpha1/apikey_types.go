// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// APIKey declares one API key. The operator mints it into a Secret, rotates it, and ends it on expiry or revocation.
//
// The last rule is a transition rule on purpose: a rule on the whole object that also ran without oldSelf would refuse
// the status and finalizer writes of objects that were stored before the rule was.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apikeys,singular=apikey,scope=Namespaced,shortName=ak,categories=apikey-operator
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Env",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expiresAt`
// +kubebuilder:printcolumn:name="Last Used",type=date,JSONPath=`.status.lastUsedAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Display Name",type=string,priority=1,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Secret",type=string,priority=1,JSONPath=`.status.secretRef.name`
// +kubebuilder:printcolumn:name="Permissions",type=string,priority=1,JSONPath=`.spec.permissions`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in ['Expired', 'Revoked']) || (has(self.spec.expiresAt) == has(oldSelf.spec.expiresAt) && (!has(self.spec.expiresAt) || self.spec.expiresAt == oldSelf.spec.expiresAt) && has(self.spec.validFor) == has(oldSelf.spec.validFor) && (!has(self.spec.validFor) || self.spec.validFor == oldSelf.spec.validFor) && (has(self.spec.revoked) && self.spec.revoked) == (has(oldSelf.spec.revoked) && oldSelf.spec.revoked))",message="this key is Expired or Revoked, which is final: expiresAt, validFor and revoked can no longer change; create a new APIKey instead",reason=FieldValueForbidden,fieldPath=".spec"
type APIKey struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the key.
	// +required
	Spec APIKeySpec `json:"spec,omitzero"`

	// status is what the operator reports. Until it has reported, observedGeneration is -1,
	// so that tools that follow kstatus see an object in progress and not a finished one.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1,"phase":"Pending"}
	Status APIKeyStatus `json:"status,omitempty,omitzero"`
}

// APIKeyList is a list of APIKeys.
//
// +kubebuilder:object:root=true
type APIKeyList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty,omitzero"`
	// items are the APIKeys.
	Items []APIKey `json:"items"`
}

// Environment is the border that a key never crosses.
//
// +kubebuilder:validation:Enum=Production;Staging;Development
type Environment string

// The environments.
const (
	EnvironmentProduction  Environment = "Production"
	EnvironmentStaging     Environment = "Staging"
	EnvironmentDevelopment Environment = "Development"
)

// Permission is one exact string that an endpoint asks for, such as "customers:read". There are no wildcards.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+([._-][a-z0-9]+)*(:[a-z0-9]+([._-][a-z0-9]+)*)*$')",message="a permission is lower-case words joined by ':', '.', '_' or '-', such as 'customers:read'; wildcards are not supported"
type Permission string

// RoleName is the name of an APIKeyRole.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="a role is the name of an APIKeyRole: lower-case letters, digits, '-' and '.', such as 'synchronizer'"
type RoleName string

// Customer is the identifier of a customer in the API that the key opens.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$')",message="a customer is letters, digits, '.', '_', ':' and '-', such as 'acme'"
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this looks like an API key, which must stand nowhere but in its Secret: take it out and rotate that key"
type Customer string

// Duration is a length of time in hours, minutes and seconds, such as "8760h" or "1h30m".
//
// The pattern keeps every stored value readable by Go's time.ParseDuration: one that is not would break the decoding
// of every list that holds it, and with it every watcher.
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=28
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$')",message="a duration is hours, minutes and seconds in that order, such as '8760h' or '1h30m'; days and fractions are not supported"
type Duration string

// APIKeySpec declares one API key.
//
// +kubebuilder:validation:XValidation:rule="self.environment == oldSelf.environment",message="environment cannot change: a key belongs to one environment for life; create another APIKey for the other one",fieldPath=".environment",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.owner) == has(oldSelf.owner) && (!has(self.owner) || self.owner == oldSelf.owner)",message="owner cannot be added, changed or removed: create another APIKey for the other user",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="(has(self.secret) && has(self.secret.name) ? self.secret.name : '') == (has(oldSelf.secret) && has(oldSelf.secret.name) ? oldSelf.secret.name : '')",message="secret.name cannot be added, changed or removed: workloads mount the Secret by that name; create another APIKey",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="(has(self.secret) && has(self.secret.key) ? self.secret.key : '') == (has(oldSelf.secret) && has(oldSelf.secret.key) ? oldSelf.secret.key : '')",message="secret.key cannot be added, changed or removed: workloads read the Secret by that key; create another APIKey",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.revoked) && oldSelf.revoked) || (has(self.revoked) && self.revoked)",message="revoked cannot be undone: the key is dead for good; create a new APIKey, or use suspend for a temporary stop",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!(has(self.expiresAt) && has(self.validFor))",message="expiresAt and validFor cannot both be set: keep the one that says when the key ends"
type APIKeySpec struct {
	// displayName is what people call the key. It can change at any time; the key does not.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\pC]+$')",message="displayName must not hold control characters or line breaks"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="displayName looks like an API key, which must stand nowhere but in its Secret: choose a descriptive name and rotate that key"
	DisplayName string `json:"displayName,omitempty"`

	// environment is the only environment whose endpoints accept the key. It cannot change.
	// +required
	Environment Environment `json:"environment,omitempty"`

	// permissions are what the key may do, at most 16, each an exact string that an endpoint asks for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Permissions []Permission `json:"permissions,omitempty"`

	// roles are names of APIKeyRoles, at most 8, whose permissions the key has too.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Roles []RoleName `json:"roles,omitempty"`

	// customers are those whose data the key opens, at most 32. None listed: every customer.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Customers []Customer `json:"customers,omitempty"`

	// owner is the user the key is for. It cannot change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9@._:/+-]*[A-Za-z0-9])?$')",message="owner is a user name as the API server knows it: letters, digits and '@._:/+-', such as 'jane@example.com'"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="owner looks like an API key, which must stand nowhere but in its Secret: name a user and rotate that key"
	Owner string `json:"owner,omitempty"`

	// expiresAt is when the key stops, an RFC 3339 time with upper-case 'T' and a zone, taken to the whole second.
	// At most one of expiresAt and validFor; neither: the key never expires, unless an APIKeyPolicy says otherwise.
	//
	// The pattern is narrower than the API server's own check of date-time, which lets values through (a lower-case 't',
	// an offset of 99 hours) that Go cannot read: one of them would break the decoding of every list that holds it.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// validFor is how long the key lives, from the creation of the APIKey, such as "8760h": at least 1s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="validFor must be at least 1s"
	ValidFor Duration `json:"validFor,omitempty"`

	// rateLimit is how often the key may be used. Not set: as often as its user likes, unless an APIKeyPolicy says otherwise.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// rotation says when the operator replaces the key by itself, and how long the old one stays valid.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`

	// suspend disables the key for as long as it is true: the Secret stays, the key is refused.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// revoked ends the key for good: the Secret is deleted, the APIKey with its history stays. It cannot be undone.
	// +optional
	Revoked bool `json:"revoked,omitempty"`

	// secret shapes the Secret that holds the key.
	// +optional
	Secret *SecretTemplate `json:"secret,omitempty"`
}

// RateLimit is how often a key may be used: requests in each period, and how many at once.
type RateLimit struct {
	// requests is how many requests the key may make in each period, 1 to 1,000,000.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Requests int32 `json:"requests,omitempty"`

	// per is the period, from 1s to 24h.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="per must be from 1s to 24h"
	Per Duration `json:"per,omitempty"`

	// burst is how many requests the key may make at once, 1 to 1,000,000. Not set: as many as requests.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Burst int32 `json:"burst,omitempty"`
}

// Rotation says when the operator replaces the key by itself, and how long the old one stays valid.
//
// +kubebuilder:validation:XValidation:rule="!has(self.every) || !has(self.overlap) || duration(self.overlap) < duration(self.every)",message="overlap must be shorter than every: otherwise old keys pile up faster than they end"
type Rotation struct {
	// every is how long a key lives before the operator replaces it, at least 1m. Not set: only on request.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="every must be at least 1m"
	Every Duration `json:"every,omitempty"`

	// overlap is how long a replaced key stays valid, from 0s to 720h. Not set: 0s, the old key stops at once.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('720h')",message="overlap must be at most 720h (30 days)"
	Overlap Duration `json:"overlap,omitempty"`
}

// SecretTemplate shapes the Secret that holds the key.
type SecretTemplate struct {
	// name of the Secret. Not set: the name of the APIKey. It cannot change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",message="secret.name is the name of a Secret: lower-case letters, digits, '-' and '.', such as 'main-website'"
	Name string `json:"name,omitempty"`

	// key is the data key that holds the API key, "api-key" where it is not set. It cannot change.
	// While an overlap runs, "previous-" before it holds the key that still works.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')",message="secret.key is a data key of a Secret: letters, digits, '-', '_' and '.', such as 'api-key'"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="secret.key looks like an API key, which must stand nowhere but in its Secret: choose another data key and rotate that key"
	Key string `json:"key,omitempty"`

	// labels to put on the Secret, at most 16.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !k.startsWith('apikey-operator.io/') && k != 'app.kubernetes.io/managed-by')",message="secret.labels must not use the prefix 'apikey-operator.io/' or the label 'app.kubernetes.io/managed-by', which are the operator's, or names over 317 characters"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations to put on the Secret, at most 16.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !k.startsWith('apikey-operator.io/'))",message="secret.annotations must not use the prefix 'apikey-operator.io/', which is the operator's, or names over 317 characters"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$')",message="a label value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this looks like an API key, which must stand nowhere but in its Secret's data: take it out and rotate that key"
type LabelValue string

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this looks like an API key, which must stand nowhere but in its Secret's data: take it out and rotate that key"
type AnnotationValue string

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
	// PhaseRevoked: spec.revoked is true; the Secret is deleted and the key refused for good.
	PhaseRevoked Phase = "Revoked"
	// PhaseExpired: the expiry has passed; the Secret is deleted and the key refused for good.
	PhaseExpired Phase = "Expired"
)

// KeyState is where a key record stands in the write protocol.
//
// +kubebuilder:validation:Enum=Pending;Active;Retiring
type KeyState string

// The states of a key record.
const (
	// KeyPending: announced, maybe in the Secret already. Verifiers accept it, because a workload may hold it.
	KeyPending KeyState = "Pending"
	// KeyActive: the key in the Secret.
	KeyActive KeyState = "Active"
	// KeyRetiring: replaced or ended; refused from notAfter on.
	KeyRetiring KeyState = "Retiring"
)

// KeyRecord is what the cluster knows of one key: a digest, never the key.
type KeyRecord struct {
	// id is the first 12 characters of digest: what logs and headers call the key.
	// +required
	// +kubebuilder:validation:MinLength=12
	// +kubebuilder:validation:MaxLength=12
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	ID string `json:"id,omitempty"`

	// digest is SHA-256 (FIPS 180-4) over the whole key, in base64url without padding (RFC 4648, section 5).
	// +required
	// +kubebuilder:validation:MinLength=43
	// +kubebuilder:validation:MaxLength=43
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	Digest string `json:"digest,omitempty"`

	// state is where the record stands: Pending, Active or Retiring.
	// +required
	State KeyState `json:"state,omitempty"`

	// createdAt is when the key was drawn.
	// +required
	CreatedAt metav1.Time `json:"createdAt,omitempty,omitzero"`

	// notAfter is the time from which a Retiring key is refused. It is never raised once it has passed.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

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
	// TriggerSecretDeleted: the Secret was gone, which is a way to ask for a rotation.
	TriggerSecretDeleted RotationTrigger = "SecretDeleted"
	// TriggerSecretModified: the Secret held something else than the key that the operator had put there.
	TriggerSecretModified RotationTrigger = "SecretModified"
	// TriggerRecovered: an interrupted rotation was brought to its end.
	TriggerRecovered RotationTrigger = "Recovered"
)

// LastRotation is the last time a key was handed out.
type LastRotation struct {
	// trigger is what made the operator mint the key.
	// +required
	Trigger RotationTrigger `json:"trigger,omitempty"`

	// value is the rotate annotation that this rotation has seen: as it is up to 48 characters,
	// else "sha256:" and its digest. The annotation asks for a rotation when it differs from it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value,omitempty"`

	// at is when the key became the active one.
	// +required
	At metav1.Time `json:"at,omitempty,omitzero"`
}

// SecretReference is the Secret as the operator last wrote or read it.
type SecretReference struct {
	// name of the Secret, in the namespace of the APIKey.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Type=string
	UID types.UID `json:"uid,omitempty"`

	// resourceVersion of the Secret. While the Secret has this version, the operator does not read its content.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// APIKeyStatus is what the operator reports. It never holds a key, only digests.
type APIKeyStatus struct {
	// conditions are Ready, Active and, only while they are true, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is about; -1: none yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase is the state of the key in one word.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// keys are the records of the keys that are or may be in use, at most 4, newest last.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=4
	Keys []KeyRecord `json:"keys,omitempty"`

	// secretRef is the Secret that holds the key; not set when there is none.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// expiresAt is when the key stops, whatever the reason: the earliest that spec and policies say. Not set: never.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// lastRotation is the last time a key was handed out.
	// +optional
	LastRotation *LastRotation `json:"lastRotation,omitempty"`

	// lastUsedAt is when a verifier last accepted the key, to about 5 minutes.
	// +optional
	LastUsedAt *metav1.Time `json:"lastUsedAt,omitempty"`
}
