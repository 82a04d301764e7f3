// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	displayNameShape = "displayName must be one line of visible characters without spaces at its ends, such as 'Main Website Integration'"
	customerShape    = "a customer is letters, digits, '.', '_', ':' and '-', such as 'acme'"
	ownerShape       = "owner is a user name as the API server knows it: letters, digits and '@._:/+#|=~-', such as 'jane@example.com'"
	environments     = `supported values: "Production", "Staging", "Development"`
)

// nameRefusals are about displayName, environment, customers and owner.
func nameRefusals() []refusal {
	return slices.Concat(
		[]refusal{
			{
				name:    "an empty name",
				spec:    `displayName: ""`,
				field:   "spec.displayName",
				message: "spec.displayName in body should be at least 1 chars long",
				also:    displayNameShape,
			},
			{
				name:    "a name of 101 characters",
				spec:    "displayName: " + strings.Repeat("ü", 101),
				field:   "spec.displayName",
				message: "Too long: may not be more than 100 bytes",
			},
			{name: "a number", spec: "displayName: 5", field: "spec.displayName", message: `spec.displayName in body must be of type string: "integer"`},

			{name: "no environment", spec: "environment: null", field: "spec.environment", message: "Required value"},
			{
				name:    "an environment of another product",
				spec:    "environment: Testing",
				field:   "spec.environment",
				message: `Unsupported value: "Testing": ` + environments,
			},
			{
				name:    "an environment in lower case",
				spec:    "environment: production",
				field:   "spec.environment",
				message: `Unsupported value: "production": ` + environments,
			},
			{name: "an empty environment", spec: `environment: ""`, field: "spec.environment", message: `Unsupported value: "": ` + environments},

			{name: "a list of no customers", spec: "customers: []", field: "spec.customers", message: "spec.customers in body should have at least 1 items"},
			{name: "33 customers", spec: "customers: " + listOf(33), field: "spec.customers", message: "Too many: 33: must have at most 32 items"},
			{name: "a customer twice", spec: "customers: [acme, globex, acme]", field: "spec.customers", message: repeated("customers")},
			{
				name:    "an empty customer",
				spec:    `customers: [""]`,
				field:   "spec.customers[0]",
				message: "spec.customers[0] in body should be at least 1 chars long",
				also:    customerShape,
			},
			{
				name:    "a customer of 64 characters",
				spec:    "customers: [" + strings.Repeat("a", 64) + "]",
				field:   "spec.customers[0]",
				message: "Too long: may not be more than 63 bytes",
			},

			{name: "an empty owner", spec: `owner: ""`, field: "spec.owner", message: "spec.owner in body should be at least 1 chars long", also: ownerShape},
			{
				name:    "an owner of 254 characters",
				spec:    "owner: " + strings.Repeat("a", 254),
				field:   "spec.owner",
				message: "Too long: may not be more than 253 bytes",
			},
		},
		shaped("displayName: %q", "spec.displayName", displayNameShape,
			" ", "a ", " a", "a\n", "a\nb", "a\tb", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", "a\u2029b",
			"\u00a0a", "a\u3000", "a\u202eb", "a\u2066b", "a\u200bb", "a\u00adb", "\u200da", "\ue000"),
		shaped("customers: [acme, %q]", "spec.customers[1]", customerShape,
			"*", " ", "a b", "a,b", "-a", "a-", "_a", "a.", "a:", "a/b", "ä", "a\n", "٣"),
		shaped("owner: %q", "spec.owner", ownerShape,
			" ", "Jane Doe", "jane,joe", "*", "@example.com", "jane@", "jane\n", "jané", "a\"b", "a;b", "<a>"),
	)
}

// nameAdmissions are what nameRefusals must not catch.
func nameAdmissions() []admission {
	return slices.Concat(
		[]admission{
			{name: "nothing but an environment", spec: "{}"},
			{name: "Staging", spec: "environment: Staging"},
			{name: "Development", spec: "environment: Development"},
			{name: "32 customers", spec: "customers: " + listOf(32)},
		},
		admitted("displayName: %q",
			"a", "Main Website Integration", "it's \"quoted\" & <marked> \\ 100 %", "ключ", "キー 鍵", "مفتاح",
			"می\u200cخواهم", "👩\u200d💻 laptop", "e\u0301", strings.Repeat("🔑", 100)),
		admitted("customers: [%q]", "a", "A", "7", "acme", "a.b_c:d-e", "a--b", strings.Repeat("a", 63)),
		admitted("owner: %q", "jane", "jane@example.com", "system:serviceaccount:storefront:website",
			"https://accounts.example.com#114", "auth0|5f7c8ec7c33c6c004bbafe82", "arn:aws:iam::111122223333:user/jane",
			"CN=jane", "j+x~y=z-1_2", strings.Repeat("a", 253)),
	)
}

// shaped are refusals of texts that are not of the right shape.
func shaped(spec, field, message string, texts ...string) []refusal {
	cases := make([]refusal, 0, len(texts))
	for _, text := range texts {
		cases = append(cases, refusal{name: fmt.Sprintf("%+q", text), spec: fmt.Sprintf(spec, text), field: field, message: message})
	}

	return cases
}

// admitted are admissions of texts of the right shape.
func admitted(spec string, texts ...string) []admission {
	cases := make([]admission, 0, len(texts))
	for _, text := range texts {
		cases = append(cases, admission{name: fmt.Sprintf("%+q", text), spec: fmt.Sprintf(spec, text)})
	}

	return cases
}
