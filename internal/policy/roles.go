// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// allowedRoles demands roles of spec.roles.
func allowedRoles() demand {
	return allowedValues[v1alpha1.RoleName]{
		what: "roles", field: "roles",
		of: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) (values, allowed []v1alpha1.RoleName) {
			return apikey.Spec.Roles, spec.Roles
		},
		denied: admissionregistrationv1.Variable{Name: "deniedRoles", Expression: addedValues("roles")},
	}.demand()
}
