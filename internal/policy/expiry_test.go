// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func expiryCases() []demandCase {
	return []demandCase{
		{"an expiry is required, and there", "expiry: {required: true}", "validFor: 1h", ""},
		{"an expiry is required, and there as a time", "expiry: {required: true}", `expiresAt: "2900-01-01T00:00:00Z"`, ""},
		{"an expiry is required", "expiry: {required: true}", "{}", "demands an expiry: set spec.expiresAt or spec.validFor."},
		{"an expiry is required, and has a maximum", "expiry: {required: true, maximum: 1h}", "{}",
			"demands an expiry: set spec.expiresAt or spec.validFor."},
		{"an expiry is required, and has a default", "expiry: {required: true, default: 1h}", "{}", ""},
		{"an expiry is not required", "expiry: {required: false, maximum: 1h}", "{}", ""},
		{"the longest life", "expiry: {maximum: 48h}", "validFor: 2880m", ""},
		{"a longer life", "expiry: {maximum: 48h}", "validFor: 48h1s", "lets a key live at most 48h from its creation: spec.validFor is 48h1s."},
		{"the longest that can be said", "expiry: {maximum: 999999h9999999m999999998s}", "validFor: 999999h9999999m999999999s",
			"lets a key live at most 999999h9999999m999999998s from its creation: spec.validFor is 999999h9999999m999999999s."},
	}
}
