// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"slices"
	"strings"
)

const (
	prefixShape = "a prefix is the beginning of the name of a label or an annotation: letters, digits, '-', '_', '.' and '/', such as 'example.com/'"
	prefixIsKey = "this prefix looks like an API key, which only the data of its Secret may contain: remove it and rotate that key"
)

// customerPolicyRefusals are about spec.customers of a policy: what is refused of spec.customers of an APIKey, but for how many
// there may be.
func customerPolicyRefusals() []refusal {
	cases := []refusal{
		{name: "empty customers", spec: "customers: {}", field: "spec.customers", message: "spec.customers in body should have at least 1 properties"},
		{
			name:    "129 customers",
			spec:    "customers: {allowed: " + listOf(129) + "}",
			field:   "spec.customers.allowed",
			message: "Too many: 129: must have at most 128 items",
		},
		{
			name:    "required customers as text",
			spec:    `customers: {required: "yes"}`,
			field:   "spec.customers.required",
			message: `spec.customers.required in body must be of type boolean: "string"`,
		},
	}
	for _, r := range slices.Concat(nameRefusals(), keyShapeRefusals()) {
		list, found := strings.CutPrefix(r.spec, "customers: ")
		if !found || r.before != "" || strings.HasPrefix(r.message, "Too many") {
			continue
		}
		r.spec = "customers: {allowed: " + list + "}"
		names := strings.NewReplacer("spec.customers", "spec.customers.allowed", "customers must", "allowed must")
		r.field, r.message, r.also = names.Replace(r.field), names.Replace(r.message), names.Replace(r.also)
		cases = append(cases, r)
	}

	return cases
}

// prefixRefusals are about one of the lists of prefixes of a policy.
func prefixRefusals(list string) []refusal {
	field := "spec.secret." + list
	spec := func(values string) string { return "secret: {" + list + ": [" + values + "]}" }

	return slices.Concat(
		[]refusal{
			{name: "no " + list, spec: spec(""), field: field, message: field + " in body should have at least 1 items"},
			{
				name:    "an empty secret beside " + list,
				spec:    "secret: {}",
				field:   "spec.secret",
				message: "spec.secret in body should have at least 1 properties",
			},
			{name: "17 " + list, spec: "secret: {" + list + ": " + listOf(17) + "}", field: field, message: "Too many: 17: must have at most 16 items"},
			{name: "a prefix twice in " + list, spec: spec("a, b, a"), field: field, message: repeated(list)},
			{
				name:    "an empty prefix in " + list,
				spec:    spec(`""`),
				field:   field + "[0]",
				message: field + "[0] in body should be at least 1 chars long",
				also:    prefixShape,
			},
			{
				name:    "a prefix of 318 characters in " + list,
				spec:    spec(longestName() + "b"),
				field:   field + "[0]",
				message: "Too long: may not be more than 317 bytes",
			},
		},
		shaped(spec("%q"), field+"[0]", prefixShape, "*", "a*", "/a", "-a", ".a", "a b", " a", "ä", "a\n"),
		shaped(spec("%q"), field+"[0]", prefixIsKey, keyTexts("a", "ak")...),
	)
}
