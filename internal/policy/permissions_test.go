// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func permissionCases() []demandCase {
	const many = "permissions: [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11]"

	return []demandCase{
		{"permissions of those listed", "permissions: [a, b]", "permissions: [b, a]", ""},
		{"no permissions", "permissions: [a]", "{}", ""},
		{"roles are not permissions", "permissions: [a]", "roles: [b]", ""},
		{"other permissions", "permissions: [a, b]", "permissions: [b, c, d]", `does not allow permissions "c", "d": it allows "a", "b".`},
		{"other permissions than a long list has", many, "permissions: [b]",
			`does not allow permissions "b": it allows those in its spec.permissions.`},
		{"a permission of a long list", many, "permissions: [p11]", ""},
	}
}
