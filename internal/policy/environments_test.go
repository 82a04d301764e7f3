// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func environmentCases() []demandCase {
	return []demandCase{
		{"an environment of those listed", "environments: [Staging, Production]", "{}", ""},
		{"another environment", "environments: [Staging, Development]", "{}", `does not allow environment "Production": it allows "Staging", "Development".`},
	}
}
