// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// allowedPermissions demands permissions of spec.permissions.
func allowedPermissions() demand {
	return allowedValues[v1alpha1.Permission]{
		what: "permissions", field: "permissions",
		of: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) (values, allowed []v1alpha1.Permission) {
			return apikey.Spec.Permissions, spec.Permissions
		},
		denied: admissionregistrationv1.Variable{Name: "deniedPermissions", Expression: addedValues("permissions")},
	}.demand()
}
