// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"slices"
	"strings"
)

const (
	secretNameShape = "secret.name is the name of a Secret: lower-case letters, digits, '-' and '.', such as 'main-website'"
	secretKeyShape  = "secret.key is a data key of a Secret: letters, digits, '-', '_' and '.', such as 'api-key'"
	labelNameShape  = "a label name is letters, digits, '-', '_' and '.', at most 63, after an optional DNS prefix and '/', such as 'example.com/team'"
	labelNameTaken  = "secret.labels must not use the prefix 'apikey-operator.io/' or the label 'app.kubernetes.io/managed-by', which are the " +
		"operator's: take them out"
	labelValueShape     = "a label value is letters, digits, '-', '_' and '.', and begins and ends with a letter or digit, such as 'storefront'"
	annotationNameShape = "an annotation name is letters, digits, '-', '_' and '.', at most 63, after an optional DNS prefix and '/', such as " +
		"'example.com/contact'"
	claimBeforeOnce      = "secret.claimBefore goes with secret.delivery 'Once' only: a Secret that stays is not claimed"
	annotationNamesTaken = "secret.annotations must not use the prefix 'apikey-operator.io/', which is the operator's: take them out"
)

// badNames are no names for labels and annotations.
func badNames() []string {
	return []string{
		"", "a b", " a", "a ", "a\n", "/a", "a/", "a/b/c", "-a", "a-", "_a", "a.", "ä", "a*", "A_b/c", "Example.com/a", "-a.com/b", "a..com/b", "https://a",
		strings.Repeat("a", 64), "example.com/" + strings.Repeat("a", 64), strings.Repeat("a", 254) + "/a",
	}
}

// goodNames are names for labels and annotations.
func goodNames() []string {
	return []string{
		"a", "7", "Team", "a.b_c-d", "example.com/team", "apikey-operator.io.example.com/a", "xapikey-operator.io/a", "kubernetes.io/a",
		longestName(),
	}
}

// longestName has 253 characters before the slash and 63 after it.
func longestName() string {
	return strings.Repeat("a.", 126) + "a/" + strings.Repeat("b", 63)
}

// secretRefusals are about the Secret and what to put on it.
func secretRefusals() []refusal {
	return slices.Concat(
		[]refusal{
			{
				name:    "an empty name",
				spec:    `secret: {name: ""}`,
				field:   "spec.secret.name",
				message: "spec.secret.name in body should be at least 1 chars long",
				also:    secretNameShape,
			},
			{
				name:    "a name of 254 characters",
				spec:    "secret: {name: " + strings.Repeat("a", 254) + "}",
				field:   "spec.secret.name",
				message: "Too long: may not be more than 253 bytes",
			},
			{
				name:    "an empty data key",
				spec:    `secret: {key: ""}`,
				field:   "spec.secret.key",
				message: "spec.secret.key in body should be at least 1 chars long",
				also:    secretKeyShape,
			},
			{
				name:    "a data key of 64 characters",
				spec:    "secret: {key: " + strings.Repeat("a", 64) + "}",
				field:   "spec.secret.key",
				message: "Too long: may not be more than 63 bytes",
			},

			{
				name:    "a delivery that does not exist",
				spec:    "secret: {delivery: Twice}",
				field:   "spec.secret.delivery",
				message: `Unsupported value: "Twice": supported values: "Keep", "Once"`,
			},
			{name: "claimBefore without a delivery", spec: "secret: {claimBefore: 1h}", field: "spec.secret.claimBefore", message: claimBeforeOnce},
			{
				name:    "claimBefore with Keep",
				spec:    "secret: {delivery: Keep, claimBefore: 1h}",
				field:   "spec.secret.claimBefore",
				message: claimBeforeOnce,
			},

			{
				name:    "no labels at all",
				spec:    "secret: {labels: {}}",
				field:   "spec.secret.labels",
				message: "spec.secret.labels in body should have at least 1 properties",
			},
			{name: "17 labels", spec: "secret: {labels: " + mapOf(17) + "}", field: "spec.secret.labels", message: "Too many: 17: must have at most 16 items"},
			{
				name:    "a label value of 64 characters",
				spec:    "secret: {labels: {a: " + strings.Repeat("a", 64) + "}}",
				field:   "spec.secret.labels.a",
				message: "Too long: may not be more than 63 bytes",
			},
			{
				name:    "a number as a label value",
				spec:    "secret: {labels: {a: 1}}",
				field:   "spec.secret.labels.a",
				message: `spec.secret.labels.a in body must be of type string: "integer"`,
			},
			{
				name:    "a label without a value, which the API server takes out",
				spec:    "secret: {labels: {a: null}}",
				field:   "spec.secret.labels",
				message: "spec.secret.labels in body should have at least 1 properties",
			},

			{
				name:    "no annotations at all",
				spec:    "secret: {annotations: {}}",
				field:   "spec.secret.annotations",
				message: "spec.secret.annotations in body should have at least 1 properties",
			},
			{
				name:    "17 annotations",
				spec:    "secret: {annotations: " + mapOf(17) + "}",
				field:   "spec.secret.annotations",
				message: "Too many: 17: must have at most 16 items",
			},
			{
				name:    "an annotation value of 1025 characters",
				spec:    "secret: {annotations: {a: " + strings.Repeat("a", 1025) + "}}",
				field:   "spec.secret.annotations.a",
				message: "Too long: may not be more than 1024 bytes",
			},
		},
		shaped("secret: {name: %q}", "spec.secret.name", secretNameShape,
			"Main", "a_b", "a b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a/b", "ä", "a\n", "*"),
		shaped("secret: {key: %q}", "spec.secret.key", secretKeyShape,
			".", "..", "..a", ".a", "-a", "a b", "a/b", "a:b", "ä", "a\n", "*"),
		shaped("secret: {labels: {%q: v}}", "spec.secret.labels", labelNameShape, badNames()...),
		shaped("secret: {labels: {a: v, %q: v}}", "spec.secret.labels", labelNameTaken,
			"apikey-operator.io/team", "apikey-operator.io/key", "app.kubernetes.io/managed-by"),
		shaped("secret: {labels: {a: %q}}", "spec.secret.labels[a]", labelValueShape,
			" ", "a b", "-a", "a-", "_a", "a.", "a/b", "a:b", "ä", "a\n"),
		shaped("secret: {annotations: {%q: v}}", "spec.secret.annotations", annotationNameShape, badNames()...),
		shaped("secret: {annotations: {a: v, %q: v}}", "spec.secret.annotations", annotationNamesTaken,
			"apikey-operator.io/fence", "apikey-operator.io/applied-metadata", "apikey-operator.io/x"),
	)
}

// secretAdmissions are what secretRefusals must not catch.
func secretAdmissions() []admission {
	return slices.Concat(
		[]admission{
			{name: "an empty secret", spec: "secret: {}"},
			{name: "delivery Keep", spec: "secret: {delivery: Keep}"},
			{name: "delivery Once", spec: "secret: {delivery: Once}"},
			{name: "delivery Once with a claim period", spec: "secret: {delivery: Once, claimBefore: 1h}"},
			{name: "16 labels and 16 annotations", spec: "secret: {labels: " + mapOf(16) + ", annotations: " + mapOf(16) + "}"},
			{name: "an annotation for the tool that manages", spec: "secret: {annotations: {app.kubernetes.io/managed-by: me}}"},
		},
		admitted("secret: {name: %q}", "a", "7", "main-website", "a.b-c.d", strings.Repeat("a", 253)),
		admitted("secret: {key: %q}", "a", "7", "_", "api-key", "API_KEY", "a..b", "key.txt", "previous-api-key", strings.Repeat("a", 63)),
		admitted("secret: {labels: {%q: v}}", goodNames()...),
		admitted("secret: {labels: {a: %q}}", "", "a", "7", "A.b_c-d", strings.Repeat("a", 63)),
		admitted("secret: {annotations: {%q: v}}", goodNames()...),
		admitted("secret: {annotations: {a: %q}}", "", " ", "{\"json\": true}\n", "ünï 🔑", strings.Repeat("🔑", 1024)),
	)
}
