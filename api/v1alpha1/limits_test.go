// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

// limitRefusals are about rateLimit, and the types of the fields that are not texts.
func limitRefusals() []refusal {
	return []refusal{
		{
			name:    "no request at all",
			spec:    "rateLimit: {requests: 0, per: 1m}",
			field:   "spec.rateLimit.requests",
			message: "spec.rateLimit.requests in body should be greater than or equal to 1",
		},
		{
			name:    "fewer than none",
			spec:    "rateLimit: {requests: -1, per: 1m}",
			field:   "spec.rateLimit.requests",
			message: "spec.rateLimit.requests in body should be greater than or equal to 1",
		},
		{
			name:    "more than a million",
			spec:    "rateLimit: {requests: 1000001, per: 1m}",
			field:   "spec.rateLimit.requests",
			message: "spec.rateLimit.requests in body should be less than or equal to 1000000",
		},
		{
			name:    "more than Go can read",
			spec:    "rateLimit: {requests: 2147483648, per: 1m}",
			field:   "spec.rateLimit.requests",
			message: "spec.rateLimit.requests in body should be less than or equal to 1000000",
		},
		{
			name:    "half a request",
			spec:    "rateLimit: {requests: 1.5, per: 1m}",
			field:   "spec.rateLimit.requests",
			message: `spec.rateLimit.requests in body must be of type int32: "float64"`,
		},
		{
			name:    "a number as text",
			spec:    `rateLimit: {requests: "100", per: 1m}`,
			field:   "spec.rateLimit.requests",
			message: `spec.rateLimit.requests in body must be of type integer: "string"`,
		},
		{name: "no number of requests", spec: "rateLimit: {per: 1m}", field: "spec.rateLimit.requests", message: "Required value"},
		{name: "no period", spec: "rateLimit: {requests: 1}", field: "spec.rateLimit.per", message: "Required value"},
		{
			name:    "a burst of none",
			spec:    "rateLimit: {requests: 1, per: 1m, burst: 0}",
			field:   "spec.rateLimit.burst",
			message: "spec.rateLimit.burst in body should be greater than or equal to 1",
		},
		{
			name:    "a burst of over a million",
			spec:    "rateLimit: {requests: 1, per: 1m, burst: 1000001}",
			field:   "spec.rateLimit.burst",
			message: "spec.rateLimit.burst in body should be less than or equal to 1000000",
		},
		{name: "suspend as text", spec: `suspend: "yes"`, field: "spec.suspend", message: `spec.suspend in body must be of type boolean: "string"`},
		{name: "revoked as a number", spec: "revoked: 1", field: "spec.revoked", message: `spec.revoked in body must be of type boolean: "integer"`},
	}
}

// limitAdmissions are what limitRefusals must not catch.
func limitAdmissions() []admission {
	return []admission{
		{name: "a request a day", spec: "rateLimit: {requests: 1, per: 24h}"},
		{name: "a burst larger than requests", spec: "rateLimit: {requests: 10, per: 1m, burst: 20}"},
		{name: "a million a second", spec: "rateLimit: {requests: 1000000, per: 1s, burst: 1000000}"},
		{name: "suspended from the start", spec: "suspend: true"},
		{name: "revoked from the start", spec: "revoked: true"},
		{name: "neither, said aloud", spec: "{suspend: false, revoked: false}"},
	}
}
