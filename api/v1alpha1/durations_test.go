// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"slices"
	"strings"
)

const (
	durationShape  = "a duration is hours, minutes and seconds in that order, such as '8760h' or '1h30m', up to 999999h; days and fractions are not supported"
	validForBounds = "validFor must be at least 1s"
	perBounds      = "per must be from 1s to 24h"
	everyBounds    = "every must be at least 1m"
	overlapBounds  = "overlap must be at most 720h (30 days)"
	claimBounds    = "secret.claimBefore must be from 1s to 720h (30 days)"
	overlapLonger  = "overlap must be shorter than every: otherwise old keys pile up faster than they end"
)

// durationFields are the fields that hold a duration, as a spec that lacks it.
func durationFields() map[string]string {
	return map[string]string{
		"spec.validFor":         "validFor: %q",
		"spec.rateLimit.per":    "rateLimit: {requests: 1, per: %q}",
		"spec.rotation.every":   "rotation: {every: %q}",
		"spec.rotation.overlap": "rotation: {overlap: %q}",

		"spec.secret.claimBefore": "secret: {delivery: Once, claimBefore: %q}",
	}
}

// durationRefusals are about the shape of durations, and the bounds of each.
func durationRefusals() []refusal {
	cases := slices.Concat(
		shaped("validFor: %q", "spec.validFor", validForBounds, "0s", "0h", "0h0m0s", "000s"),
		shaped("rateLimit: {requests: 1, per: %q}", "spec.rateLimit.per", perBounds, "0s", "0m", "24h1s", "86401s", "1441m", "999999h"),
		shaped("rotation: {every: %q}", "spec.rotation.every", everyBounds, "59s", "0s", "0m59s"),
		shaped("rotation: {overlap: %q}", "spec.rotation.overlap", overlapBounds, "720h1s", "721h", "43201m", "999999h"),
		shaped("secret: {delivery: Once, claimBefore: %q}", "spec.secret.claimBefore", claimBounds, "0s", "0h0m0s", "720h1s", "721h", "43201m", "999999h"),
		[]refusal{
			{name: "as long as every", spec: "rotation: {every: 1h, overlap: 60m}", field: "spec.rotation.overlap", message: overlapLonger},
			{name: "longer than every", spec: "rotation: {every: 90m, overlap: 2h}", field: "spec.rotation.overlap", message: overlapLonger},
		},
	)
	fields := durationFields()
	for _, field := range slices.Sorted(maps.Keys(fields)) { // the tree of specs must be the same in every process
		spec := fields[field]
		cases = append(cases, shaped(spec, field, durationShape,
			"10", "hm", "1d", "1w", "1.5h", "0.5s", ".5h", "1h 30m", " 1h", "1h ", "1h\n", "-1h", "+1h", "1H", "1M", "1m1h", "1s1m", "1h1h",
			"1ms", "1us", "1µs", "1ns", "1h1ms", "1e3s", "0x1h", "1_000s", "٣h", "１h", "∞h", "never", "P1D", "PT1H",
			"1000000h", "10000000m", "1000000000s", "2562048h", "9223372036854775807s", "99999999999999999999h")...)
		cases = append(cases, []refusal{
			{
				name:    "an empty duration",
				spec:    strings.ReplaceAll(spec, "%q", `""`),
				field:   field,
				message: field + " in body should be at least 2 chars long",
				also:    durationShape,
			},
			{
				name:    "a number of seconds",
				spec:    strings.ReplaceAll(spec, "%q", "3600"),
				field:   field,
				message: field + ` in body must be of type string: "integer"`,
			},
			{
				name:    "26 characters",
				spec:    strings.ReplaceAll(spec, "%q", strings.Repeat("0", 25)+"h"),
				field:   field,
				message: "Too long: may not be more than 25 bytes",
			},
		}...)
	}

	return cases
}

// durationAdmissions are what durationRefusals must not catch.
func durationAdmissions() []admission {
	return slices.Concat(
		admitted("validFor: %q", "1s", "0h0m1s", "8760h", "1h30m", "1h1s", "90m", "000001h", "999999h", "999999h9999999m999999999s"),
		admitted("rateLimit: {requests: 1, per: %q}", "1s", "1m", "24h", "23h59m60s", "86400s"),
		admitted("rotation: {every: %q}", "1m", "60s", "720h", "999999h9999999m999999999s"),
		admitted("rotation: {overlap: %q}", "0s", "0h", "10m", "720h", "2592000s"),
		admitted("secret: {delivery: Once, claimBefore: %q}", "1s", "1h", "720h", "2592000s"),
		[]admission{
			{name: "an overlap a second shorter than every", spec: "rotation: {every: 1h, overlap: 59m59s}"},
			{name: "no overlap", spec: "rotation: {every: 1m, overlap: 0s}"},
			{name: "an empty rotation", spec: "rotation: {}"},
		},
	)
}
