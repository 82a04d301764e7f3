// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIKeyRoleSpec is what a role grants.
type APIKeyRoleSpec struct {
	// permissions are what every key with this role may do, 1 to 64, each an exact string that an endpoint requires.
	// Example: [customers:read, orders:read]
	// +required
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x == y))",message="permissions must not contain a value twice: remove the repetition"
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Permissions []Permission `json:"permissions,omitempty"`
}

// APIKeyRole is a set of permissions for all keys that name it in spec.roles. A change of the role takes effect for all of them at once,
// without a change of any APIKey. A role that does not exist grants nothing.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=apikeyroles,singular=apikeyrole,scope=Cluster,shortName=akr,categories=apikey-operator
// +kubebuilder:printcolumn:name="Permissions",type=string,JSONPath=`.spec.permissions`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type APIKeyRole struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what the role grants.
	// Example: {permissions: [customers:read]}
	// +required
	Spec APIKeyRoleSpec `json:"spec,omitzero"`
}

// APIKeyRoleList is a list of APIKeyRoles.
//
// +kubebuilder:object:root=true
type APIKeyRoleList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty,omitzero"`
	// items are the APIKeyRoles.
	Items []APIKeyRole `json:"items"`
}
