// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"slices"
	"strings"
)

const (
	permissionShape = "a permission is lower-case words joined by ':', '.', '_' or '-', such as 'customers:read'; wildcards are not supported"
	roleShape       = "a role is the name of an APIKeyRole: lower-case letters, digits, '-' and '.', such as 'synchronizer'"
)

// permissionRefusals are about permissions and roles.
func permissionRefusals() []refusal {
	return slices.Concat(
		[]refusal{
			{
				name:    "a list of no permissions",
				spec:    "permissions: []",
				field:   "spec.permissions",
				message: "spec.permissions in body should have at least 1 items",
			},
			{name: "17 permissions", spec: "permissions: " + listOf(17), field: "spec.permissions", message: "Too many: 17: must have at most 16 items"},
			{name: "a permission twice", spec: "permissions: [a, a]", field: "spec.permissions", message: repeated("permissions")},
			{
				name:    "a permission of 65 characters",
				spec:    "permissions: [" + strings.Repeat("a", 65) + "]",
				field:   "spec.permissions[0]",
				message: "Too long: may not be more than 64 bytes",
			},
			{
				name:    "an empty permission",
				spec:    `permissions: [""]`,
				field:   "spec.permissions[0]",
				message: "spec.permissions[0] in body should be at least 1 chars long",
				also:    permissionShape,
			},
			{
				name:    "a text and no list",
				spec:    "permissions: customers:read",
				field:   "spec.permissions",
				message: `spec.permissions in body must be of type array: "string"`,
			},

			{name: "a list of no roles", spec: "roles: []", field: "spec.roles", message: "spec.roles in body should have at least 1 items"},
			{name: "9 roles", spec: "roles: " + listOf(9), field: "spec.roles", message: "Too many: 9: must have at most 8 items"},
			{name: "a role twice", spec: "roles: [a, a]", field: "spec.roles", message: repeated("roles")},
			{
				name:    "a role of 64 characters",
				spec:    "roles: [" + strings.Repeat("a", 64) + "]",
				field:   "spec.roles[0]",
				message: "Too long: may not be more than 63 bytes",
			},
			{
				name:    "an empty role",
				spec:    `roles: [""]`,
				field:   "spec.roles[0]",
				message: "spec.roles[0] in body should be at least 1 chars long",
				also:    roleShape,
			},
		},
		shaped("permissions: [a, %q]", "spec.permissions[1]", permissionShape,
			"*", "customers:*", "*:read", "customers:**", "customers:?", "Customers:read", "customers:READ", "customers read",
			" customers:read", "customers:read ", "customers:read\n", "customers,telemetry", ":read", "customers:", "a::b",
			"-a", "a-", "a..b", "a.-b", "a_", "a:-b", "ünï:read", "customers/read", "a:١"),
		shaped("roles: [a, %q]", "spec.roles[1]", roleShape,
			"*", "Synchronizer", "a b", "-a", "a-", "a..b", ".a", "a.", "a.-b", "a_b", "a:b", "ä", "a\n"),
	)
}

// permissionAdmissions are what permissionRefusals must not catch.
func permissionAdmissions() []admission {
	return slices.Concat(
		[]admission{
			{name: "16 permissions", spec: "permissions: " + listOf(16)},
			{name: "8 roles", spec: "roles: " + listOf(8)},
		},
		admitted("permissions: [%q]",
			"a", "7", "customers:read", "telemetry:write", "a.b-c_d:e:f.g", "orders.v2:read_all", strings.Repeat("a", 64)),
		admitted("roles: [%q]", "a", "7", "synchronizer", "a-b.c-d", strings.Repeat("a", 63)),
	)
}
