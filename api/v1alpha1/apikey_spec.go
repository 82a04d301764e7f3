// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIKeySpec declares one API key.
// ---
// The rules for immutable fields are here and not on the fields, where they would not see a field that is added or removed.
//
// +kubebuilder:validation:XValidation:rule="has(self.owner) == has(oldSelf.owner) && (!has(self.owner) || self.owner == oldSelf.owner)",message="owner cannot be added, changed or removed: create another APIKey for the other user",reason=FieldValueForbidden,fieldPath=".owner"
// +kubebuilder:validation:XValidation:rule="self.?secret.?name.hasValue() == oldSelf.?secret.?name.hasValue() && (!self.?secret.?name.hasValue() || self.secret.name == oldSelf.secret.name)",message="secret.name cannot be added, changed or removed: workloads mount the Secret by that name; create another APIKey",reason=FieldValueForbidden,fieldPath=".secret.name"
// +kubebuilder:validation:XValidation:rule="self.?secret.?key.hasValue() == oldSelf.?secret.?key.hasValue() && (!self.?secret.?key.hasValue() || self.secret.key == oldSelf.secret.key)",message="secret.key cannot be added, changed or removed: workloads read the Secret by that key; create another APIKey",reason=FieldValueForbidden,fieldPath=".secret.key"
// +kubebuilder:validation:XValidation:rule="self.?secret.?delivery.hasValue() == oldSelf.?secret.?delivery.hasValue() && (!self.?secret.?delivery.hasValue() || self.secret.delivery == oldSelf.secret.delivery)",message="secret.delivery cannot be added, changed or removed: it decides whether a copy of the key stays in the cluster; create another APIKey",reason=FieldValueForbidden,fieldPath=".secret.delivery"
// +kubebuilder:validation:XValidation:rule="!oldSelf.?revoked.orValue(false) || self.?revoked.orValue(false)",message="revoked cannot be undone: the key is dead for good; create a new APIKey, or use suspend for a temporary stop",reason=FieldValueForbidden,fieldPath=".revoked"
// +kubebuilder:validation:XValidation:rule="!(has(self.expiresAt) && has(self.validFor))",message="expiresAt and validFor cannot both be set: keep the one that says when the key ends"
type APIKeySpec struct {
	// displayName is the name of the key for people. A change does not affect the key.
	// Example: Main Website Integration
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\pC\pZ](([^\pC\p{Zl}\p{Zp}]|[\x{200C}\x{200D}])*[^\pC\pZ])?$')`,message="displayName must be one line of visible characters without spaces at its ends, such as 'Main Website Integration'"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="displayName looks like an API key, which only its Secret may contain: choose a descriptive name and rotate that key",reason=FieldValueForbidden
	DisplayName string `json:"displayName,omitempty"`

	// environment is the only environment whose endpoints accept the key. It cannot change.
	// Example: Production
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="environment cannot change: a key belongs to one environment for life; create another APIKey for the other one",reason=FieldValueForbidden
	Environment Environment `json:"environment,omitempty"`

	// permissions are what the key may do, at most 16, each an exact string that an endpoint requires.
	// Example: [customers:read, telemetry:write]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="permissions must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Permissions []Permission `json:"permissions,omitempty"`

	// roles are names of APIKeyRoles, at most 8. The key has their permissions too.
	// Example: [synchronizer]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="roles must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Roles []RoleName `json:"roles,omitempty"`

	// customers are the customers whose data the key may access, at most 32. None listed: every customer.
	// Example: [acme]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="customers must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Customers []Customer `json:"customers,omitempty"`

	// owner is the user the key is for. It cannot change.
	// Example: jane@example.com
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9@._:/+#|=~-]*[A-Za-z0-9])?$')",message="owner is a user name as the API server knows it: letters, digits and '@._:/+#|=~-', such as 'jane@example.com'"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="owner looks like an API key, which only its Secret may contain: name a user and rotate that key",reason=FieldValueForbidden
	Owner string `json:"owner,omitempty"`

	// expiresAt is when the key stops, an RFC 3339 time with upper-case 'T' and a zone, taken to the whole second,
	// in the years 2000 to 2999.
	// At most one of expiresAt and validFor; neither: the key never expires, unless an APIKeyPolicy sets an expiry.
	// Example: "2027-11-21T00:00:00Z"
	// ---
	// The schema does not use the format date-time, which accepts values that Go cannot read: a lower-case 't', an offset of 99 hours.
	// One such value would break the decoding of every list that holds it. Go and CEL parse times with the same function, so Go can decode
	// every value that passes the rule. The range of years excludes the zero time, which Go writes as null, and times whose year has more
	// than four digits in UTC.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !format.datetime().validate(self).hasValue() && timestamp(self) >= timestamp('2000-01-01T00:00:00Z') && timestamp(self) < timestamp('3000-01-01T00:00:00Z')",message="expiresAt must be a date and time with a zone in the years 2000 to 2999, such as '2027-11-21T00:00:00Z'; leave it out for a key that does not expire"
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// validFor is how long the key lives, from the creation of the APIKey, such as "8760h": at least 1s.
	// Example: 8760h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) >= duration('1s')",message="validFor must be at least 1s"
	ValidFor Duration `json:"validFor,omitempty"`

	// rateLimit is how often the key may be used. Not set: without limit, unless an APIKeyPolicy sets one.
	// Example: {requests: 100, per: 1m, burst: 20}
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// rotation says when the operator replaces the key by itself, and how long the old one stays valid.
	// Example: {every: 720h, overlap: 10m}
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`

	// suspend disables the key for as long as it is true: the Secret stays, the key is refused.
	// Example: true
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// revoked ends the key for good: the Secret is deleted, the APIKey with its history stays. It cannot be undone.
	// Example: true
	// +optional
	Revoked bool `json:"revoked,omitempty"`

	// secret shapes the Secret that holds the key.
	// Example: {name: main-website, key: api-key}
	// +optional
	Secret *SecretTemplate `json:"secret,omitempty"`
}

// RateLimit is how often a key may be used: requests in each period, and how many at once.
type RateLimit struct {
	// requests is how many requests the key may make in each period, 1 to 1,000,000.
	// Example: 100
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Requests int32 `json:"requests,omitempty"`

	// per is the period, from 1s to 24h.
	// Example: 1m
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || (duration(self) >= duration('1s') && duration(self) <= duration('24h'))",message="per must be from 1s to 24h"
	Per Duration `json:"per,omitempty"`

	// burst is how many requests the key may make at once, 1 to 1,000,000. Not set: as many as requests.
	// Example: 20
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Burst int32 `json:"burst,omitempty"`
}

// Rotation says when the operator replaces the key by itself, and how long the old one stays valid.
//
// +kubebuilder:validation:XValidation:rule="!has(self.every) || !has(self.overlap) || !self.every.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || !self.overlap.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self.overlap) < duration(self.every)",message="overlap must be shorter than every: otherwise old keys pile up faster than they end",fieldPath=".overlap"
type Rotation struct {
	// every is how long a key lives before the operator replaces it, at least 1m. Not set: only on request.
	// Example: 720h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) >= duration('1m')",message="every must be at least 1m"
	Every Duration `json:"every,omitempty"`

	// overlap is how long a replaced key stays valid, from 0s to 720h. Not set: 0s, the old key stops at once.
	// Example: 10m
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) <= duration('720h')",message="overlap must be at most 720h (30 days)"
	Overlap Duration `json:"overlap,omitempty"`
}

// SecretTemplate shapes the Secret that holds the key.
//
// +kubebuilder:validation:XValidation:rule="!has(self.claimBefore) || self.?delivery.orValue('Keep') == 'Once'",message="secret.claimBefore goes with secret.delivery 'Once' only: a Secret that stays is not claimed",fieldPath=".claimBefore"
type SecretTemplate struct {
	// name of the Secret. Not set: the name of the APIKey. It cannot change.
	// Example: main-website
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",message="secret.name is the name of a Secret: lower-case letters, digits, '-' and '.', such as 'main-website'"
	Name string `json:"name,omitempty"`

	// key is the data key that holds the API key, "api-key" where it is not set. It cannot change.
	// While an overlap runs, "previous-" before it holds the key that still works.
	// Example: api-key
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')",message="secret.key is a data key of a Secret: letters, digits, '-', '_' and '.', such as 'api-key'"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="secret.key looks like an API key, which only its Secret may contain: choose another data key and rotate that key",reason=FieldValueForbidden
	Key string `json:"key,omitempty"`

	// delivery is how long the Secret exists. Keep: as long as the key works. Once: until the key is claimed, by the annotation
	// apikey-operator.io/claim with the id of the key as its value; the key keeps working although no copy is left in the cluster.
	// Each rotation starts a new delivery. Not set: Keep. It cannot change.
	// Example: Once
	// +optional
	Delivery SecretDelivery `json:"delivery,omitempty"`

	// claimBefore is how long after it was minted a key with delivery Once may be claimed, from 1s to 720h. Not set: 1h.
	// When that time passes, the APIKey is revoked. A change applies to the next delivery.
	// Example: 1h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || (duration(self) >= duration('1s') && duration(self) <= duration('720h'))",message="secret.claimBefore must be from 1s to 720h (30 days)"
	ClaimBefore Duration `json:"claimBefore,omitempty"`

	// labels to put on the Secret, at most 16.
	// Example: {app.kubernetes.io/part-of: storefront}
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(name, !format.qualifiedName().validate(name).hasValue())",message="a label name is letters, digits, '-', '_' and '.', at most 63, after an optional DNS prefix and '/', such as 'example.com/team'"
	// +kubebuilder:validation:XValidation:rule="self.all(name, !name.startsWith('apikey-operator.io/') && name != 'app.kubernetes.io/managed-by')",message="secret.labels must not use the prefix 'apikey-operator.io/' or the label 'app.kubernetes.io/managed-by', which are the operator's: take them out",reason=FieldValueForbidden
	// +kubebuilder:validation:XValidation:rule="self.all(name, !name.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}'))",message="a label name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations to put on the Secret, at most 16.
	// Example: {example.com/contact: team-storefront}
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(name, !format.qualifiedName().validate(name).hasValue())",message="an annotation name is letters, digits, '-', '_' and '.', at most 63, after an optional DNS prefix and '/', such as 'example.com/contact'"
	// +kubebuilder:validation:XValidation:rule="self.all(name, !name.startsWith('apikey-operator.io/'))",message="secret.annotations must not use the prefix 'apikey-operator.io/', which is the operator's: take them out",reason=FieldValueForbidden
	// +kubebuilder:validation:XValidation:rule="self.all(name, !name.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}'))",message="an annotation name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}
