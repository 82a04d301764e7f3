// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIKey declares one API key. The operator mints it into a Secret, rotates it, and ends it on expiry or revocation.
// ---
// The rules on the whole object are transition rules: a rule without oldSelf would refuse the status and finalizer writes of objects that are
// older than the rule. For the same reason no transition rule assumes that a field exists or is well formed: an unchanged expiresAt is not
// parsed. A changed expiresAt is compared in whole seconds, because a Go client that reads and writes it keeps no more.
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
// +kubebuilder:printcolumn:name="Claimed",type=date,priority=1,JSONPath=`.status.claimedAt`
// +kubebuilder:printcolumn:name="Permissions",type=string,priority=1,JSONPath=`.spec.permissions`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="!(oldSelf.?status.?phase.orValue('Pending') in ['Expired', 'Revoked']) || (self.?spec.?expiresAt.hasValue() && oldSelf.?spec.?expiresAt.hasValue() && self.spec.expiresAt == oldSelf.spec.expiresAt) || self.?spec.?expiresAt.optMap(t, int(timestamp(t))) == oldSelf.?spec.?expiresAt.optMap(t, int(timestamp(t)))",message="expiresAt can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead",reason=FieldValueForbidden,fieldPath=".spec.expiresAt"
// +kubebuilder:validation:XValidation:rule="!(oldSelf.?status.?phase.orValue('Pending') in ['Expired', 'Revoked']) || (self.?spec.?validFor.hasValue() == oldSelf.?spec.?validFor.hasValue() && (!self.?spec.?validFor.hasValue() || self.spec.validFor == oldSelf.spec.validFor))",message="validFor can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead",reason=FieldValueForbidden,fieldPath=".spec.validFor"
// +kubebuilder:validation:XValidation:rule="!(oldSelf.?status.?phase.orValue('Pending') in ['Expired', 'Revoked']) || oldSelf.?spec.?revoked.orValue(false) || !self.?spec.?revoked.orValue(false)",message="revoked can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead",reason=FieldValueForbidden,fieldPath=".spec.revoked"
type APIKey struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec declares the key.
	// Example: {environment: Production, permissions: [customers:read]}
	// +required
	Spec APIKeySpec `json:"spec,omitzero"`

	// status is the report of the operator. Before the first report observedGeneration is -1,
	// so that tools that follow kstatus see an object in progress and not a finished one.
	// Example: {observedGeneration: 1, phase: Active}
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
