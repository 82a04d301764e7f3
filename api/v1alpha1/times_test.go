// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"slices"
)

const (
	expiresAtShape = "expiresAt must be a date and time with a zone in the years 2000 to 2999, such as '2027-11-21T00:00:00Z'; leave it out for a key " +
		"that does not expire"
	bothExpiries = "expiresAt and validFor cannot both be set: keep the one that says when the key ends"
)

// timeRefusals are about expiresAt.
func timeRefusals() []refusal {
	return slices.Concat(
		[]refusal{
			{name: "together with validFor", spec: `{expiresAt: "2027-11-21T00:00:00Z", validFor: 1h}`, field: "spec", message: bothExpiries},
			{
				name:    "an empty time",
				spec:    `expiresAt: ""`,
				field:   "spec.expiresAt",
				message: "spec.expiresAt in body should be at least 20 chars long",
				also:    expiresAtShape,
			},
			{
				name:    "a date alone",
				spec:    `expiresAt: "2027-11-21"`,
				field:   "spec.expiresAt",
				message: "spec.expiresAt in body should be at least 20 chars long",
				also:    expiresAtShape,
			},
			{
				name:    "36 characters",
				spec:    `expiresAt: "2027-11-21T00:00:00.1234567890+01:00"`,
				field:   "spec.expiresAt",
				message: "Too long: may not be more than 35 bytes",
			},
			{
				name:    "seconds since 1970",
				spec:    "expiresAt: 1826755200",
				field:   "spec.expiresAt",
				message: `spec.expiresAt in body must be of type string: "integer"`,
			},
		},
		shaped(
			"expiresAt: %q",
			"spec.expiresAt",
			expiresAtShape,
			"2027-11-21t00:00:00Z",
			"2027-11-21T00:00:00z",
			"2027-11-21 00:00:00Z",
			"2027-11-21T00:00:00 Z",
			"2027-11-21T00:00:00,5Z",
			"2027-11-21T00:00:00.Z",
			"2027-11-21T00:00:00.1234567890Z",
			"2027-11-21T00:00:00.000000000",
			"20271121T000000Z......",
			"2027-11-21T00:00:00+99:99",
			"2027-11-21T00:00:00+24:00",
			"2027-11-21T00:00:00+01:60",
			"2027-11-21T00:00:00+0100",
			"2027-11-21T00:00:00+01",
			"2027-11-21T00:00:00-00:0",
			"2027-11-21T00:00:00ZZ",
			"2027-11-21T00:00:00Z\n",
			"2027-11-21T00:00:00 CEST",
			"2027-02-29T00:00:00Z",
			"2027-02-30T00:00:00Z",
			"2027-04-31T00:00:00Z",
			"2027-00-10T00:00:00Z",
			"2027-13-10T00:00:00Z",
			"2027-11-00T00:00:00Z",
			"2100-02-29T00:00:00Z",
			"2027-11-21T24:00:00Z",
			"2027-11-21T23:60:00Z",
			"2027-06-30T23:59:60Z",
			"0000-01-01T00:00:00Z",
			"0001-01-01T00:00:00Z",
			"1970-01-01T00:00:00Z",
			"1999-12-31T23:59:59Z",
			"2000-01-01T00:00:00+00:01",
			"3000-01-01T00:00:00Z",
			"2999-12-31T23:59:59-00:01",
			"9999-12-31T23:59:59Z",
			"10000-01-01T00:00:00Z",
			"+2027-11-21T00:00:00Z",
			"-2027-11-21T00:00:00Z",
			"２０２７-11-21T00:00:00Z",
			"next year, at midnight",
		),
	)
}

// timeAdmissions are what timeRefusals must not catch.
func timeAdmissions() []admission {
	return admitted("expiresAt: %q",
		"2027-11-21T00:00:00Z", "2027-11-21T23:59:59Z", "2027-11-21T00:00:00+05:30", "2027-11-21T00:00:00-23:59", "2027-11-21T00:00:00-00:00",
		"2027-11-21T00:00:00.0Z", "2027-11-21T00:00:00.123Z", "2027-11-21T00:00:00.999999999+14:00",
		"2028-02-29T00:00:00Z", "2000-01-01T00:00:00Z", "2000-01-01T00:00:00-01:00", "2999-12-31T23:59:59Z", "2999-12-31T23:59:59+01:00")
}
