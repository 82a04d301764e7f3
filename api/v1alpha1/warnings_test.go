// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "fmt"

// warningRefusals are all cases about spec.expiry.warnBefore of an APIKeyPolicy.
func warningRefusals() []refusal {
	const (
		field  = "spec.expiry.warnBefore"
		bounds = "each duration in warnBefore must be at least 1m and at most 8760h (365 days)"
	)
	cases := []refusal{
		{
			name: "a list of no warnings", spec: "expiry: {warnBefore: []}", field: field, message: field + " in body should have at least 1 items",
		},
		{
			name: "9 warnings", spec: "expiry: {warnBefore: [1h, 2h, 3h, 4h, 5h, 6h, 7h, 8h, 9h]}", field: field,
			message: "Too many: 9: must have at most 8 items",
		},
		{name: "a warning twice", spec: "expiry: {warnBefore: [1h, 2h, 1h]}", field: field, message: repeated("warnBefore")},
		{
			name: "an empty warning", spec: `expiry: {warnBefore: [""]}`, field: field + "[0]",
			message: field + "[0] in body should be at least 2 chars long", also: durationShape,
		},
		{
			name: "a warning of 26 characters", spec: "expiry: {warnBefore: [0720h0000000m0000000000001s]}", field: field + "[0]",
			message: "Too long: may not be more than 25 bytes",
		},
	}
	for _, value := range []string{"0s", "59s", "8760h1s", "525601m", "999999h9999999m999999999s"} {
		cases = append(cases, refusal{name: "a warning of " + value, spec: "expiry: {warnBefore: [24h, " + value + "]}", field: field, message: bounds})
	}
	for _, value := range []string{"30d", "-1h", "1.5h", "100ms", "1h 2m"} {
		cases = append(cases, refusal{
			name: "a warning of " + value, spec: fmt.Sprintf("expiry: {warnBefore: [24h, %q]}", value), field: field + "[1]", message: durationShape,
		})
	}

	return cases
}

// warnedRefusals are all cases about status.warnedBefore of an APIKey.
func warnedRefusals() []refusal {
	const field = "status.warnedBefore"

	return []refusal{
		{name: "a warning in days", status: "warnedBefore: 7d", field: field, message: durationShape},
		{
			name: "an empty warning", status: `warnedBefore: ""`, field: field,
			message: "warnedBefore in body should be at least 2 chars long", also: durationShape,
		},
		{
			name: "a long warning", status: "warnedBefore: 0720h0000000m0000000000001s", field: field,
			message: "Too long: may not be more than 25 bytes",
		},
	}
}
