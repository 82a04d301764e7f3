// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func roleCases() []demandCase {
	return []demandCase{
		{"roles of those listed", "roles: [a, b]", "roles: [b]", ""},
		{"other roles", "roles: [a]", "roles: [b, a]", `does not allow roles "b": it allows "a".`},
	}
}
