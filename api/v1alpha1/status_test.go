// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	statusTimeShape    = "must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
	conditionTimeShape = "every lastTransitionTime must be an RFC 3339 time in the years 2000 to 2999, such as '2026-11-21T00:00:00Z'"
)

// validDigest is a digest as status.keys holds it, and validKey the rest of a record.
const (
	validDigest = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"
	validKey    = `id: AbCdEfGhIjKl, digest: ` + validDigest + `, state: Active, createdAt: "2026-11-21T00:00:00Z"`
)

// statusRefusals are about status, which only the operator and the verifier write: the schema keeps their bugs out of
// the store, and keeps a writer of one field from storing what no watcher can decode.
func statusRefusals() []refusal {
	return slices.Concat(
		[]refusal{
			{
				name:    "a phase that does not exist",
				status:  "phase: Inactive",
				field:   "status.phase",
				message: `Unsupported value: "Inactive": supported values: "Pending", "Active", "Suspended", "Revoked", "Expired"`,
			},
			{
				name:    "a generation below -1",
				status:  "observedGeneration: -2",
				field:   "status.observedGeneration",
				message: "observedGeneration in body should be greater than or equal to -1",
			},
			{name: "5 keys", status: "keys: " + records(5), field: "status.keys", message: "Too many: 5: must have at most 4 items"},
			{
				name:    "a key twice",
				status:  "keys: [{" + validKey + "}, {" + validKey + "}]",
				field:   "status.keys[1]",
				message: `Duplicate value: {"id":"AbCdEfGhIjKl"}`,
			},
			{
				name:    "a condition twice",
				status:  "conditions: " + strings.ReplaceAll(conditions(2), "T1", "T0"),
				field:   "status.conditions[1]",
				message: `Duplicate value: {"type":"T0"}`,
			},
			{name: "17 conditions", status: "conditions: " + conditions(17), field: "status.conditions", message: "Too many: 17: must have at most 16 items"},
			{
				name:    "a short uid",
				status:  `secretRef: {name: a, uid: "", resourceVersion: "1"}`,
				field:   "status.secretRef.uid",
				message: "secretRef.uid in body should be at least 1 chars long",
			},
			{
				name:    "a long uid",
				status:  `secretRef: {name: a, uid: ` + strings.Repeat("a", 65) + `, resourceVersion: "1"}`,
				field:   "status.secretRef.uid",
				message: "Too long: may not be more than 64 bytes",
			},
			{name: "no uid", status: `secretRef: {name: a, resourceVersion: "1"}`, field: "status.secretRef.uid", message: "Required value"},
			{
				name:    "an empty name",
				status:  `secretRef: {name: "", uid: a, resourceVersion: "1"}`,
				field:   "status.secretRef.name",
				message: "secretRef.name in body should be at least 1 chars long",
			},
			{
				name:    "a long name",
				status:  `secretRef: {name: ` + strings.Repeat("a", 254) + `, uid: a, resourceVersion: "1"}`,
				field:   "status.secretRef.name",
				message: "Too long: may not be more than 253 bytes",
			},
			{name: "no name", status: `secretRef: {uid: a, resourceVersion: "1"}`, field: "status.secretRef.name", message: "Required value"},
			{
				name:    "an empty resourceVersion",
				status:  `secretRef: {name: a, uid: a, resourceVersion: ""}`,
				field:   "status.secretRef.resourceVersion",
				message: "secretRef.resourceVersion in body should be at least 1 chars long",
			},
			{
				name:    "a long resourceVersion",
				status:  `secretRef: {name: a, uid: a, resourceVersion: "` + strings.Repeat("1", 65) + `"}`,
				field:   "status.secretRef.resourceVersion",
				message: "Too long: may not be more than 64 bytes",
			},
			{name: "no resourceVersion", status: `secretRef: {name: a, uid: a}`, field: "status.secretRef.resourceVersion", message: "Required value"},
			{name: "no trigger", status: `lastRotation: {at: "2026-11-21T00:00:00Z"}`, field: "status.lastRotation.trigger", message: "Required value"},
			{
				name:    "a trigger that does not exist",
				status:  `lastRotation: {trigger: Moon, at: "2026-11-21T00:00:00Z"}`,
				field:   "status.lastRotation.trigger",
				message: `Unsupported value: "Moon": supported values: "Created", "Annotation", "Schedule", "SecretDeleted", "SecretModified", "Recovered"`,
			},
			{name: "no time of the rotation", status: `lastRotation: {trigger: Created}`, field: "status.lastRotation.at", message: "Required value"},
			{
				name:    "a value long enough for a key and more",
				status:  `lastRotation: {trigger: Annotation, value: ` + strings.Repeat("a", 65) + `, at: "2026-11-21T00:00:00Z"}`,
				field:   "status.lastRotation.value",
				message: "Too long: may not be more than 64 bytes",
			},
			{
				name:    "an empty name of a request",
				status:  `lastRotation: {trigger: Annotation, name: "", at: "2026-11-21T00:00:00Z"}`,
				field:   "status.lastRotation.name",
				message: "lastRotation.name in body should be at least 1 chars long",
			},
			{
				name:    "a name of a request long enough for a key and more",
				status:  `lastRotation: {trigger: Annotation, name: ` + strings.Repeat("a", 65) + `, at: "2026-11-21T00:00:00Z"}`,
				field:   "status.lastRotation.name",
				message: "Too long: may not be more than 64 bytes",
			},
		},
		recordRefusals(),
		pendingRefusals(),
		rotateValueRefusals(),
		warnedRefusals(),
		limitInForceRefusals(),
		statusTimes("lastUsedAt: %q", "status.lastUsedAt", statusTimeShape),
		statusTimes("expiresAt: %q", "status.expiresAt", statusTimeShape),
		statusTimes("claimedAt: %q", "status.claimedAt", statusTimeShape),
		statusTimes(`keys: [{`+validKey+`, claimDeadline: %q}]`, "status.keys[0].claimDeadline", statusTimeShape),
		statusTimes("lastRotation: {trigger: Created, at: %q}", "status.lastRotation.at", statusTimeShape),
		statusTimes(`keys: [{`+validKey+`, notAfter: %q}]`, "status.keys[0].notAfter", statusTimeShape),
		statusTimes(`keys: [{id: AbCdEfGhIjKl, digest: `+validDigest+`, state: Active, createdAt: %q}]`, "status.keys[0].createdAt", statusTimeShape),
		statusTimes(`conditions: [{type: Ready, status: "True", reason: Minted, message: m, lastTransitionTime: %q}]`, "status.conditions", conditionTimeShape),
	)
}

// recordRefusals are about one record of status.keys.
func recordRefusals() []refusal {
	record := func(name, change, field, message string) refusal {
		from, to, _ := strings.Cut(change, " => ")
		text := strings.Replace("keys: [{"+validKey+"}]", from, to, 1)

		return refusal{name: name, status: text, field: "status.keys[0]." + field, message: message}
	}

	return []refusal{
		record("a short id", "AbCdEfGhIjKl, => AbCdEfGhIjK,", "id", "keys[0].id in body should be at least 12 chars long"),
		record("a long id", "AbCdEfGhIjKl, => AbCdEfGhIjKlm,", "id", "Too long: may not be more than 12 bytes"),
		record("an id of other characters", "AbCdEfGhIjKl, => AbCdEfGhIjK+,", "id", "keys[0].id in body should match '^[A-Za-z0-9_-]+$'"),
		record("no id", "id: AbCdEfGhIjKl, => ", "id", "Required value"),
		record("a short digest", validDigest+" => "+validDigest[1:], "digest", "keys[0].digest in body should be at least 43 chars long"),
		record("a long digest", validDigest+" => A"+validDigest, "digest", "Too long: may not be more than 43 bytes"),
		record("a digest with padding", validDigest+" => "+validDigest[1:]+"=", "digest", "keys[0].digest in body should match '^[A-Za-z0-9_-]+$'"),
		record("no digest", "digest: "+validDigest+", => ", "digest", "Required value"),
		record(
			"a state that does not exist",
			"state: Active => state: Dead",
			"state",
			`Unsupported value: "Dead": supported values: "Pending", "Active", "Retiring"`,
		),
		record("no state", "state: Active,  => ", "state", "Required value"),
		record("no time", `, createdAt: "2026-11-21T00:00:00Z" => `, "createdAt", "Required value"),
	}
}

// pendingRefusals are about what a Pending key was drawn for.
func pendingRefusals() []refusal {
	pending := func(name, rotation, field, message string) refusal {
		return refusal{
			name:    name,
			status:  "keys: [{" + validKey + ", rotation: {" + rotation + "}}]",
			field:   "status.keys[0].rotation." + field,
			message: message,
		}
	}
	short := pending(
		"a pending rotation with an empty overlap",
		`trigger: Annotation, overlap: ""`,
		"overlap",
		"keys[0].rotation.overlap in body should be at least 2 chars long",
	)
	short.also = durationShape
	cases := []refusal{
		pending("a pending rotation without a trigger", "value: a", "trigger", "Required value"),
		pending(
			"a pending rotation by a trigger that does not exist",
			"trigger: Moon",
			"trigger",
			`Unsupported value: "Moon": supported values: "Created", "Annotation", "Schedule", "SecretDeleted", "SecretModified", "Recovered"`,
		),
		pending(
			"a pending rotation with an empty value",
			`trigger: Annotation, value: ""`,
			"value",
			"keys[0].rotation.value in body should be at least 1 chars long",
		),
		pending(
			"a pending rotation with a long value",
			"trigger: Annotation, value: "+strings.Repeat("a", 65),
			"value",
			"Too long: may not be more than 64 bytes",
		),
		pending("a pending rotation with an overlap in days", "trigger: Annotation, overlap: 1d", "overlap", durationShape),
		pending(
			"a pending rotation with a long overlap",
			"trigger: Annotation, overlap: 0720h0000000m0000000000001s",
			"overlap",
			"Too long: may not be more than 25 bytes",
		),
		pending("a pending rotation with an overlap of more than 720h", "trigger: Annotation, overlap: 720h1s", "overlap", overlapBounds),
	}

	return append(cases, short)
}

// rotateValueRefusals are about the digests of values of the rotate annotation.
func rotateValueRefusals() []refusal {
	digests := func(n int) string { return "rotateValues: [" + strings.Repeat("AbCdEfGhIjKlMnOp, ", n) + "]" }

	return []refusal{
		{name: "17 values", status: digests(17), field: "status.rotateValues", message: "Too many: 17: must have at most 16 items"},
		{
			name:    "a short digest of a value",
			status:  "rotateValues: [AbCdEfGhIjKlMnO]",
			field:   "status.rotateValues[0]",
			message: "rotateValues[0] in body should be at least 16 chars long",
		},
		{
			name:    "a long digest of a value",
			status:  "rotateValues: [AbCdEfGhIjKlMnOpQ]",
			field:   "status.rotateValues[0]",
			message: "Too long: may not be more than 16 bytes",
		},
		{
			name:    "a value instead of its digest",
			status:  "rotateValues: ['2026-11-21 10:00']",
			field:   "status.rotateValues[0]",
			message: "rotateValues[0] in body should match '^[A-Za-z0-9_-]+$'",
		},
	}
}

// limitInForceRefusals are what is refused of spec.rateLimit, in the field of the status that has its type.
// Numbers that are no int32 get a second answer there, which says the same.
func limitInForceRefusals() []refusal {
	var cases []refusal
	for _, r := range slices.Concat(limitRefusals(), durationRefusals()) {
		outside := strings.Contains(r.spec, "2147483648") || strings.Contains(r.spec, "1.5")
		if strings.HasPrefix(r.field, "spec.rateLimit.") && !outside {
			r.status, r.spec = r.spec, ""
			r.field = strings.Replace(r.field, "spec.", "status.", 1)
			r.message = strings.Replace(r.message, "spec.", "", 1)
			cases = append(cases, r)
		}
	}

	return cases
}

// statusTimes are times that Go cannot read, reads as no time at all, or cannot write again.
func statusTimes(status, field, message string) []refusal {
	texts := []string{
		"2027-11-21t00:00:00Z",
		"2027-11-21T00:00:00z",
		"2027-11-21T00:00:00+99:99",
		"2027-11-21T00:00:00_5Z",
		"0000-01-01T00:00:00Z",
		"0001-01-01T00:00:00Z",
		"1999-12-31T23:59:59Z",
		"2000-01-01T00:00:00+00:01",
		"3000-01-01T00:00:00Z",
		"2999-12-31T23:59:59-00:01",
		"9999-12-31T23:59:59-23:59",
	}
	cases := make([]refusal, 0, len(texts))
	for _, text := range texts {
		cases = append(cases, refusal{name: text, status: fmt.Sprintf(status, text), field: field, message: message})
	}

	if field != "status.conditions" { // the type of Kubernetes has no length
		cases = append(
			cases,
			refusal{
				name:    "36 characters",
				status:  fmt.Sprintf(status, "2027-11-21T00:00:00.1234567890+01:00"),
				field:   field,
				message: "Too long: may not be more than 35 bytes",
			},
		)
	}

	return cases
}

// records is a YAML list of n valid records.
func records(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(
			`{id: AbCdEfGhIjK%d, digest: %s, state: Retiring, createdAt: "2026-11-21T00:00:00Z", notAfter: "2026-11-21T00:00:00Z"}`,
			i,
			validDigest,
		)
	}

	return "[" + strings.Join(list, ", ") + "]"
}

// conditions is a YAML list of n valid conditions.
func conditions(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{type: T%d, status: "True", reason: R, message: m, lastTransitionTime: "2026-11-21T00:00:00Z"}`, i)
	}

	return "[" + strings.Join(list, ", ") + "]"
}
