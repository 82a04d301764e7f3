// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// requiredCustomers demands that an APIKey names customers.
func requiredCustomers() demand {
	return demand{
		name: "required customers",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			if spec.Customers == nil || !spec.Customers.Required && len(spec.Customers.Allowed) == 0 || len(apikey.Spec.Customers) > 0 {
				return ""
			}

			return "demands customers: set spec.customers, without which a key is for every customer."
		},
		met: "!has(params.spec.customers) || (!params.spec.customers.?required.orValue(false) && !has(params.spec.customers.allowed)) || " +
			"has(object.spec.customers) || (request.operation != 'CREATE' && !has(variables.had.customers))",
		refusal: []string{"'demands customers: set spec.customers, without which a key is for every customer.'"},
	}
}

// allowedCustomers demands customers of spec.customers.allowed.
func allowedCustomers() demand {
	return allowedValues[v1alpha1.Customer]{
		what: "customers", field: "customers.allowed",
		of: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) (values, allowed []v1alpha1.Customer) {
			if spec.Customers == nil {
				return nil, nil
			}

			return apikey.Spec.Customers, spec.Customers.Allowed
		},
		// An APIKey without customers is for every customer, so an update that names some adds none.
		denied: admissionregistrationv1.Variable{
			Name: "deniedCustomers",
			Expression: "!params.spec.?customers.?allowed.hasValue() ? [] : object.spec.?customers.orValue([]).filter(value, " +
				"!(value in params.spec.customers.allowed) && " +
				"(request.operation == 'CREATE' || (has(variables.had.customers) && !(value in variables.had.customers))))",
		},
	}.demand()
}
