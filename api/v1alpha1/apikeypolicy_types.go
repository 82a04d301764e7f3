// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIKeyPolicySpec holds the demands of an APIKeyPolicy on APIKeys. A field that is not set demands nothing.
//
// +kubebuilder:validation:MinProperties=1
type APIKeyPolicySpec struct {
	// namespaceSelector selects the namespaces to which the policy applies, by their labels. Not set: all namespaces.
	// Example: {matchLabels: {team: storefront}}
	// +optional
	// +structType=atomic
	NamespaceSelector *NamespaceSelector `json:"namespaceSelector,omitempty"`

	// environments are the environments that APIKeys may name. None listed: every environment.
	// Example: [Staging, Development]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="environments must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Environments []Environment `json:"environments,omitempty"`

	// permissions are the permissions that APIKeys may name in spec.permissions, at most 128. None listed: every permission.
	// The permissions of roles are not checked; the field roles limits the roles.
	// Example: [customers:read]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="permissions must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Permissions []Permission `json:"permissions,omitempty"`

	// roles are the roles that APIKeys may name in spec.roles, at most 64. None listed: every role.
	// Example: [synchronizer]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="roles must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Roles []RoleName `json:"roles,omitempty"`

	// expiry limits the lifetime of keys.
	// Example: {default: 8760h, maximum: 17520h}
	// +optional
	Expiry *ExpiryPolicy `json:"expiry,omitempty"`

	// rateLimit limits how often keys may be used.
	// Example: {default: {requests: 100, per: 1m}}
	// +optional
	RateLimit *RateLimitPolicy `json:"rateLimit,omitempty"`

	// rotation sets how often keys are replaced, and limits how long a replaced key stays valid.
	// Example: {required: true, maximumAge: 2160h, maximumOverlap: 24h}
	// +optional
	Rotation *RotationPolicy `json:"rotation,omitempty"`

	// customers limits the customers that APIKeys may name.
	// Example: {allowed: [acme, globex]}
	// +optional
	Customers *CustomerPolicy `json:"customers,omitempty"`

	// secret limits the labels and annotations that APIKeys may set on their Secret.
	// Example: {labelPrefixes: [app.kubernetes.io/], annotationPrefixes: [example.com/]}
	// +optional
	Secret *SecretPolicy `json:"secret,omitempty"`
}

// CustomerPolicy limits the customers that APIKeys may name. A key without customers may access the data of every customer.
//
// +kubebuilder:validation:MinProperties=1
type CustomerPolicy struct {
	// required refuses a spec without customers.
	// Example: true
	// +optional
	Required bool `json:"required,omitempty"`

	// allowed are the customers that APIKeys may name, at most 128. If any are listed, a spec without customers is refused.
	// None listed: every customer.
	// Example: [acme, globex]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="allowed must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Allowed []Customer `json:"allowed,omitempty"`
}

// SecretPolicy limits the labels and annotations that APIKeys may set on their Secret. Other programs act on some of them, for example by
// copying the Secret to other namespaces.
//
// +kubebuilder:validation:MinProperties=1
type SecretPolicy struct {
	// labelPrefixes are beginnings of the names that spec.secret.labels may hold, at most 16, such as "example.com/".
	// None listed: every name. A prefix that no name begins with, such as "none.invalid/", allows no label at all.
	// Example: [app.kubernetes.io/, example.com/]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="labelPrefixes must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	LabelPrefixes []NamePrefix `json:"labelPrefixes,omitempty"`

	// annotationPrefixes are beginnings of the names that spec.secret.annotations may hold, at most 16, such as "example.com/".
	// None listed: every name. A prefix that no name begins with, such as "none.invalid/", allows no annotation at all.
	// Example: [example.com/]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="annotationPrefixes must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	AnnotationPrefixes []NamePrefix `json:"annotationPrefixes,omitempty"`
}

// NamePrefix is the beginning of the name of a label or an annotation. It ends in '/' to stand for one domain alone.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=317
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._/-]*$')",message="a prefix is the beginning of the name of a label or an annotation: letters, digits, '-', '_', '.' and '/', such as 'example.com/'"
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this prefix looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
type NamePrefix string

// ExpiryPolicy limits the lifetime of keys and sets when the operator warns of their end. default and maximum count from the creation of
// the APIKey, and warnBefore counts back from its end.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !has(self.maximum) || !self.default.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || !self.maximum.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self.default) <= duration(self.maximum)",message="default must not be longer than maximum",fieldPath=".default"
type ExpiryPolicy struct {
	// default is the lifetime of a key whose spec has no expiry, at least 1s.
	// Example: 8760h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) >= duration('1s')",message="default must be at least 1s"
	Default Duration `json:"default,omitempty"`

	// maximum is the longest lifetime of a key, at least 1s. It applies to a key whose spec has no expiry and for which no policy has a
	// default.
	// Example: 17520h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) >= duration('1s')",message="maximum must be at least 1s"
	Maximum Duration `json:"maximum,omitempty"`

	// required refuses a spec without expiresAt and validFor, unless this policy has a default.
	// Example: true
	// +optional
	Required bool `json:"required,omitempty"`

	// warnBefore are the times before the end of a key at which the operator warns, at most 8, from 1m to 8760h each: the condition
	// ExpiringSoon and a Warning event. The times of several policies add up. A time that is not shorter than the life of the APIKey, counted
	// from its creation, does not warn. None listed, in no policy: 720h, 168h and 24h.
	// Example: [720h, 168h, 24h]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="warnBefore must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:XValidation:rule="self.all(x, !x.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || (duration(x) >= duration('1m') && duration(x) <= duration('8760h')))",message="each duration in warnBefore must be at least 1m and at most 8760h (365 days)"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	WarnBefore []Duration `json:"warnBefore,omitempty"`
}

// RateLimitPolicy limits how often keys may be used.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !has(self.maximum) || !self.default.per.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || !self.maximum.per.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || (self.default.requests * duration(self.maximum.per).getSeconds() <= self.maximum.requests * duration(self.default.per).getSeconds() && self.default.?burst.orValue(self.default.requests) <= self.maximum.?burst.orValue(self.maximum.requests))",message="default must not allow more than maximum, neither requests in the same time nor burst",fieldPath=".default"
type RateLimitPolicy struct {
	// default is the limit of a key whose spec has no limit.
	// Example: {requests: 100, per: 1m}
	// +optional
	Default *RateLimit `json:"default,omitempty"`

	// maximum is the most that a key may have: requests divided by per, and burst (not set: as many as requests).
	// It applies to a key whose spec has no limit and for which no policy has a default.
	// Example: {requests: 1000, per: 1m, burst: 200}
	// +optional
	Maximum *RateLimit `json:"maximum,omitempty"`
}

// RotationPolicy sets how often keys are replaced, and limits how long a replaced key stays valid.
//
// +kubebuilder:validation:MinProperties=1
type RotationPolicy struct {
	// required refuses a spec without rotation.every.
	// Example: true
	// +optional
	Required bool `json:"required,omitempty"`

	// maximumAge is the most that rotation.every may be, at least 1m. An older key without a schedule is reported as not compliant.
	// Example: 2160h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) >= duration('1m')",message="maximumAge must be at least 1m"
	MaximumAge Duration `json:"maximumAge,omitempty"`

	// maximumOverlap is the most that rotation.overlap and an overlap in the rotate annotation may be, from 0s to 720h.
	// A longer overlap from before the policy counts as this long at the next rotation.
	// Example: 24h
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$') || duration(self) <= duration('720h')",message="maximumOverlap must be at most 720h (30 days)"
	MaximumOverlap Duration `json:"maximumOverlap,omitempty"`
}

// NamespaceSelector selects namespaces by their labels, as a LabelSelector does. A namespace has to meet every listed requirement.
// ---
// It is a type of its own because the policies at the API server need bounds for its lists, and a LabelSelector has none.
type NamespaceSelector struct {
	// matchLabels are labels that the namespace has, at most 16.
	// Example: {team: storefront}
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(name, !format.qualifiedName().validate(name).hasValue())",message="a label name is letters, digits, '-', '_' and '.', at most 63, after an optional DNS prefix and '/', such as 'example.com/team'"
	// +kubebuilder:validation:XValidation:rule="self.all(name, !name.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}'))",message="a label name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions are further requirements on the labels of the namespace, at most 16.
	// Example: [{key: stage, operator: In, values: [production]}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []NamespaceRequirement `json:"matchExpressions,omitempty"`
}

// NamespaceOperator is how a label of a namespace is compared.
//
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type NamespaceOperator string

// The operators.
const (
	// NamespaceLabelIn: the label is there, with one of the values.
	NamespaceLabelIn NamespaceOperator = "In"
	// NamespaceLabelNotIn: the label is not there, or has none of the values.
	NamespaceLabelNotIn NamespaceOperator = "NotIn"
	// NamespaceLabelExists: the label is there.
	NamespaceLabelExists NamespaceOperator = "Exists"
	// NamespaceLabelDoesNotExist: the label is not there.
	NamespaceLabelDoesNotExist NamespaceOperator = "DoesNotExist"
)

// NamespaceRequirement is one requirement on the labels of a namespace.
//
// +kubebuilder:validation:XValidation:rule="(self.operator in ['In', 'NotIn']) == has(self.values)",message="values go with the operators In and NotIn, and with no other",fieldPath=".values"
type NamespaceRequirement struct {
	// key is the name of the label.
	// Example: stage
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="a label name is letters, digits, '-', '_' and '.', at most 63, after an optional DNS prefix and '/', such as 'example.com/team'"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this label name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
	Key string `json:"key,omitempty"`

	// operator is how the label is compared: In, NotIn, Exists or DoesNotExist.
	// Example: In
	// +required
	Operator NamespaceOperator `json:"operator,omitempty"`

	// values to compare the label with, at most 16; for In and NotIn.
	// Example: [production]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="values must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Values []LabelValue `json:"values,omitempty"`
}

// APIKeyPolicy limits what the APIKeys of some namespaces may declare, and sets defaults.
// Where several policies apply to a namespace, an APIKey has to meet each of them, and the strictest value holds.
//
// The API server refuses an APIKey that does not meet them. A field that is older than a policy is not checked again when another field
// changes. The operator mints no key for an APIKey that does not meet them. For an APIKey with a key, the condition Compliant reports
// whether it meets them.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=apikeypolicies,singular=apikeypolicy,scope=Cluster,shortName=akp,categories=apikey-operator
// +kubebuilder:printcolumn:name="Environments",type=string,JSONPath=`.spec.environments`
// +kubebuilder:printcolumn:name="Expiry Default",type=string,JSONPath=`.spec.expiry.default`
// +kubebuilder:printcolumn:name="Expiry Maximum",type=string,JSONPath=`.spec.expiry.maximum`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIKeyPolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what the policy demands.
	// Example: {environments: [Staging, Development]}
	// +required
	Spec APIKeyPolicySpec `json:"spec,omitzero"`
}

// APIKeyPolicyList is a list of APIKeyPolicies.
//
// +kubebuilder:object:root=true
type APIKeyPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty,omitzero"`
	// items are the APIKeyPolicies.
	Items []APIKeyPolicy `json:"items"`
}
