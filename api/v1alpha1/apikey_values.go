// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// The string types of spec. Each has a length limit and a rule whose message describes the format.
//
// Fields into which users may paste an API key by mistake refuse text that contains the shape of a key: a prefix, the environment and 49
// characters. These refusals have the reason FieldValueForbidden, because the API server repeats an invalid value in its answer, and so in
// logs.

// Environment is an environment of endpoints. A key works in one environment only.
//
// +kubebuilder:validation:Enum=Production;Staging;Development
type Environment string

// The environments.
const (
	EnvironmentProduction  Environment = "Production"
	EnvironmentStaging     Environment = "Staging"
	EnvironmentDevelopment Environment = "Development"
)

// SecretDelivery is how long the Secret of a key exists.
//
// +kubebuilder:validation:Enum=Keep;Once
type SecretDelivery string

// The ways of delivery.
const (
	// DeliveryKeep: the Secret exists as long as the key works.
	DeliveryKeep SecretDelivery = "Keep"
	// DeliveryOnce: the Secret exists until the key is claimed.
	DeliveryOnce SecretDelivery = "Once"
)

// Permission is an exact string that an endpoint requires, such as "customers:read". There are no wildcards.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+([._-][a-z0-9]+)*(:[a-z0-9]+([._-][a-z0-9]+)*)*$')",message="a permission is lower-case words joined by ':', '.', '_' or '-', such as 'customers:read'; wildcards are not supported"
type Permission string

// RoleName is the name of an APIKeyRole.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",message="a role is the name of an APIKeyRole: lower-case letters, digits, '-' and '.', such as 'synchronizer'"
type RoleName string

// Customer is the identifier of a customer in the protected API.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$')",message="a customer is letters, digits, '.', '_', ':' and '-', such as 'acme'"
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this customer looks like an API key, which only its Secret may contain: name a customer and rotate that key",reason=FieldValueForbidden
type Customer string

// Duration is a length of time in hours, minutes and seconds, such as "8760h" or "1h30m".
// ---
// It is a string in Go too: with a type that parses while it is decoded, one bad object fails every list that holds it, and so every watcher.
// Such an object can be older than the rule. The rule makes every stored value readable by time.ParseDuration without overflow. Fields with
// bounds check them only on values that pass the rule, so that a malformed value gets one message.
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=25
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$')",message="a duration is hours, minutes and seconds in that order, such as '8760h' or '1h30m', up to 999999h; days and fractions are not supported"
type Duration string

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$')",message="a label value is letters, digits, '-', '_' and '.', and begins and ends with a letter or digit, such as 'storefront'"
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this label value looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
type LabelValue string

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="!self.matches('[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}')",message="this annotation value looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",reason=FieldValueForbidden
type AnnotationValue string
