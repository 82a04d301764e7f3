// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func customerCases() []demandCase {
	const every = "demands customers: set spec.customers, without which a key is for every customer."

	return []demandCase{
		{"customers of those listed", "customers: {allowed: [acme, globex]}", "customers: [globex]", ""},
		{"other customers", "customers: {allowed: [acme]}", "customers: [globex, acme, initech]",
			`does not allow customers "globex", "initech": it allows "acme".`},
		{"other customers than a long list has", "customers: {allowed: [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11]}", "customers: [b]",
			`does not allow customers "b": it allows those in its spec.customers.allowed.`},
		{"every customer where some are listed", "customers: {allowed: [acme]}", "{}", every},
		{"every customer where some are required", "customers: {required: true}", "{}", every},
		{"some customers where some are required", "customers: {required: true}", "customers: [acme]", ""},
	}
}
