// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func secretNameCases() []demandCase {
	return []demandCase{
		{"labels and annotations with a prefix that is listed", `secret: {labelPrefixes: ["a.example/", b], annotationPrefixes: ["c.example/"]}`,
			`secret: {labels: {a.example/x: "1", bx: "1", b: "1"}, annotations: {c.example/x: "1"}}`, ""},
		{"no labels", `secret: {labelPrefixes: ["a.example/"]}`, "secret: {annotations: {x: '1'}}", ""},
		{
			"another label",
			`secret: {labelPrefixes: ["a.example/", b]}`,
			`secret: {labels: {z: "1", a.example/x: "1", c: "1", A: "1"}}`,
			`does not allow the label "A" on a Secret: it allows names that begin with "a.example/", "b".`,
		},
		{"another annotation", `secret: {annotationPrefixes: ["a.example/"]}`, `secret: {annotations: {a.example.evil/x: "1"}}`,
			`does not allow the annotation "a.example.evil/x" on a Secret: it allows names that begin with "a.example/".`},
		{"an annotation with the prefix of a label", `secret: {labelPrefixes: [a], annotationPrefixes: [b]}`, `secret: {annotations: {a: "1"}}`,
			`does not allow the annotation "a" on a Secret: it allows names that begin with "b".`},
		{"more prefixes than can be named", "secret: {labelPrefixes: [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11]}",
			"secret: {labels: {b: v}}",
			`does not allow the label "b" on a Secret: it allows names that begin with those in its spec.secret.labelPrefixes.`},
		{"a label where annotations are limited", "secret: {annotationPrefixes: [a/]}", "secret: {labels: {b: v}}", ""},
	}
}
