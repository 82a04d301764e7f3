// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// repeated is the answer to a list that holds a value twice.
func repeated(field string) string {
	return field + " must not contain a value twice: remove the repetition"
}

// allPlurals are all kinds of this project, by their name in URLs.
func allPlurals() []string {
	GinkgoHelper()
	root, err := testkit.Root()
	Expect(err).NotTo(HaveOccurred())
	files, err := os.ReadDir(filepath.Join(root, "config", "crd", "bases"))
	Expect(err).NotTo(HaveOccurred())
	var plurals []string
	for _, file := range files {
		plurals = append(plurals, strings.TrimSuffix(strings.TrimPrefix(file.Name(), "apikey-operator.io_"), ".yaml"))
	}
	Expect(plurals).To(ContainElements("apikeys", "apikeypolicies", "apikeyroles"))

	return plurals
}

// isScalarList says whether a schema is that of a list of texts or numbers.
func isScalarList(schema *apiextensionsv1.JSONSchemaProps) bool {
	return schema.Type == "array" && schema.Items != nil && schema.Items.Schema.Type != "object"
}

// A set merges: a value that a pipeline removes stays as long as another field manager owns it.
var _ = Describe("A list", func() {
	It("is never a set, and one of values in spec is atomic and holds none twice", func() {
		for _, plural := range allPlurals() {
			walk(schemaOf(loadCRD(plural)), "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				if schema.Type != "array" {
					return
				}
				Expect(schema.XListType).NotTo(BeNil(), "%s of %s", path, plural)
				Expect(*schema.XListType).To(BeElementOf("atomic", "map"), "%s of %s", path, plural)
				if !strings.HasPrefix(path, "spec.") || !isScalarList(schema) {
					return
				}
				Expect(*schema.XListType).To(Equal("atomic"), "%s of %s", path, plural)
				Expect(rulesWith(schema, "self.all(x, self.exists_one(y, x == y))")).To(HaveLen(1), "%s of %s", path, plural)
			})
		}
	})

	It("stands beside maps that are atomic too", func() {
		for _, plural := range allPlurals() {
			spec := schemaOf(loadCRD(plural)).Properties["spec"]
			walk(&spec, "spec", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				if schema.AdditionalProperties != nil {
					Expect(schema.XMapType).To(HaveValue(Equal("atomic")), "%s of %s", path, plural)
				}
			})
		}
	})

	It("has a case for Git below", func() {
		var inSchema, inCases []string
		for _, k := range gitKinds() {
			spec := schemaOf(loadCRD(k.plural)).Properties["spec"]
			walk(&spec, "spec", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				if isScalarList(schema) || schema.AdditionalProperties != nil || schema.Type == "array" {
					inSchema = append(inSchema, k.plural+" "+path)
				}
			})
			for _, c := range k.cases {
				inCases = append(inCases, k.plural+" "+c.path)
			}
		}
		slices.Sort(inCases)
		slices.Sort(inSchema)
		Expect(slices.Compact(inCases)).To(Equal(inSchema))
	})
})
