// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// loadCRD reads the CustomResourceDefinition of a kind as it is generated.
func loadCRD(plural string) *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	root, err := testkit.Root()
	Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(filepath.Join(root, "config", "crd", "bases", "apikey-operator.io_"+plural+".yaml"))
	Expect(err).NotTo(HaveOccurred())
	crd := &apiextensionsv1.CustomResourceDefinition{}
	Expect(yaml.UnmarshalStrict(data, crd)).To(Succeed())

	return crd
}

func schemaOf(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.JSONSchemaProps {
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// walk visits a schema and all below it, in a stable order. Elements and values of any index or name are "[*]".
func walk(schema *apiextensionsv1.JSONSchemaProps, path string, visit func(path string, schema *apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name]
		walk(&property, strings.TrimPrefix(path+"."+name, "."), visit)
		schema.Properties[name] = property // visit may have changed it
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(schema.Items.Schema, path+"[*]", visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		walk(schema.AdditionalProperties.Schema, path+"[*]", visit)
	}
}

// anyElement turns the name of a field in an answer of the API server into a path of walk.
// The API server writes the value of a map as labels[a] or as labels.a, depending on the check.
func anyElement(field string) string {
	field = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(field, "[*]")

	return regexp.MustCompile(`^(spec\.(secret\.(labels|annotations)|namespaceSelector\.matchLabels))\..*$`).ReplaceAllString(field, "$1[*]")
}

// limits are the messages by which the API server enforces the keywords of a schema other than rules.
func limits(path string, s *apiextensionsv1.JSONSchemaProps) []cause {
	var list []cause
	add := func(field, format string, args ...any) {
		list = append(list, cause{field: field, message: fmt.Sprintf(format, args...)})
	}
	if s.MinLength != nil {
		add(path, "should be at least %d chars long", *s.MinLength)
	}
	if s.MaxLength != nil {
		add(path, "may not be more than %d bytes", *s.MaxLength)
	}
	if s.Pattern != "" {
		add(path, "should match '%s'", s.Pattern)
	}
	if s.Minimum != nil {
		add(path, "should be greater than or equal to %v", *s.Minimum)
	}
	if s.Maximum != nil {
		add(path, "should be less than or equal to %.0f", *s.Maximum)
	}
	if s.MinItems != nil {
		add(path, "should have at least %d items", *s.MinItems)
	}
	if s.MaxItems != nil {
		add(path, "must have at most %d items", *s.MaxItems)
	}
	if s.MinProperties != nil {
		add(path, "should have at least %d properties", *s.MinProperties)
	}
	if s.MaxProperties != nil {
		add(path, "must have at most %d items", *s.MaxProperties)
	}
	if s.Enum != nil {
		add(path, "Unsupported value: ")
	}
	if s.XListType != nil && *s.XListType != "atomic" {
		add(path+"[*]", "Duplicate value: ")
	}
	for _, name := range s.Required {
		add(path+"."+name, "Required value")
	}

	return list
}

var _ = Describe("The schema", func() {
	It("has no limit without a case that breaks it", func() {
		for _, k := range kinds() {
			walk(schemaOf(loadCRD(k.plural)), "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				if path == "" || strings.HasPrefix(path, "status.conditions[*]") {
					return // spec itself is every case's, and a condition is the type of Kubernetes
				}
				for _, limit := range limits(path, schema) {
					Expect(slices.ContainsFunc(k.refusals, func(r refusal) bool {
						return anyElement(r.field) == limit.field && strings.Contains(r.message, limit.message)
					})).To(BeTrue(), "no case breaks the limit of %s of %s: %s", limit.field, k.plural, limit.message)
				}
			})
		}
	})

	It("bounds every text, list and map of spec", func() {
		for _, k := range kinds() {
			spec := schemaOf(loadCRD(k.plural)).Properties["spec"]
			walk(&spec, "spec", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				switch {
				case schema.Type == "string" && schema.Enum == nil:
					Expect(schema.MaxLength).NotTo(BeNil(), "maxLength of %s of %s", path, k.plural)
					shapes := slices.Concat(rulesWith(schema, "self.matches("), rulesWith(schema, ".validate(self)"))
					Expect(shapes).NotTo(BeEmpty(), "shape of %s of %s", path, k.plural)
				case schema.Type == "array":
					Expect(schema.MaxItems).NotTo(BeNil(), "maxItems of %s of %s", path, k.plural)
				case schema.AdditionalProperties != nil:
					Expect(schema.MaxProperties).NotTo(BeNil(), "maxProperties of %s of %s", path, k.plural)
				}
			})
		}
	})

	It("tells keys by one shape, in every place where a text can be a key", func() {
		shapes := map[string][]string{}
		for _, k := range kinds() {
			walk(schemaOf(loadCRD(k.plural)), "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				for _, rule := range rulesWith(schema, "(prod|stg|dev)") {
					shape := regexp.MustCompile(`matches\('(.*)'\)`).FindStringSubmatch(rule.Rule)
					Expect(shape).NotTo(BeNil(), "rule of %s: %s", path, rule.Rule)
					shapes[shape[1]] = append(shapes[shape[1]], path)
					Expect(rule.Reason).To(HaveValue(Equal(apiextensionsv1.FieldValueForbidden)),
						"an answer about %s that is not Forbidden repeats the key", path)
				}
			})
		}
		Expect(shapes).To(HaveLen(1))
		for shape, paths := range shapes {
			Expect(paths).To(ConsistOf("spec.displayName", "spec.owner", "spec.customers[*]", "spec.secret.key",
				"spec.secret.labels", "spec.secret.labels[*]", "spec.secret.annotations", "spec.secret.annotations[*]",
				"spec.namespaceSelector.matchLabels", "spec.namespaceSelector.matchExpressions[*].key",
				"spec.customers.allowed[*]", "spec.secret.labelPrefixes[*]", "spec.secret.annotationPrefixes[*]",
				"spec.namespaceSelector.matchLabels[*]", "spec.namespaceSelector.matchExpressions[*].values[*]"))
			Expect(keyTexts("a", "ak", "abcdefghij")).To(HaveEach(MatchRegexp(shape)))
		}
	})

	It("tells durations by one shape, before it reads them", func() {
		shapes := map[string]bool{}
		for _, k := range kinds() {
			walk(schemaOf(loadCRD(k.plural)), "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				for _, rule := range rulesWith(schema, "duration(self") {
					found := regexp.MustCompile(`matches\('([^']*)'\)`).FindAllStringSubmatch(rule.Rule, -1)
					Expect(found).NotTo(BeEmpty(), "rule of %s: %s", path, rule.Rule)
					for _, shape := range found {
						shapes[shape[1]] = true
					}
				}
			})
		}
		Expect(shapes).To(HaveLen(1))
	})

	It("tells names of objects by one shape", func() {
		shape := func(schema apiextensionsv1.JSONSchemaProps) string {
			return rulesWith(&schema, "self.matches(")[0].Rule
		}
		spec := schemaOf(loadCRD("apikeys")).Properties["spec"]
		Expect(shape(*spec.Properties["roles"].Items.Schema)).To(Equal(shape(spec.Properties["secret"].Properties["name"])))
	})

	It("has transition rules alone on the whole object", func() {
		rules := schemaOf(loadCRD("apikeys")).XValidations
		Expect(rules).NotTo(BeEmpty())
		for _, rule := range rules {
			Expect(rule.Rule).To(ContainSubstring("oldSelf"), "a rule without it refuses status writes of older objects")
		}
	})

	It("agrees with the constants of this package", func() {
		status := schemaOf(loadCRD("apikeys")).Properties["status"]
		Expect(status.Properties["keys"].MaxItems).To(HaveValue(BeEquivalentTo(v1alpha1.MaxKeys)))
		Expect(status.Properties["lastRotation"].Properties["value"].MaxLength).To(HaveValue(BeNumerically(">=", v1alpha1.MaxRotationValueLength)))
		Expect(status.Properties["rotateValues"].MaxItems).To(HaveValue(BeEquivalentTo(v1alpha1.MaxRotateValues)))
		Expect(overlapBounds).To(ContainSubstring(fmt.Sprintf("%dh", v1alpha1.MaxOverlap/time.Hour)))
	})
})

// rulesWith are the rules of a schema, not of those below it, that contain a text.
func rulesWith(schema *apiextensionsv1.JSONSchemaProps, text string) []apiextensionsv1.ValidationRule {
	var rules []apiextensionsv1.ValidationRule
	for _, rule := range schema.XValidations {
		if strings.Contains(rule.Rule, text) {
			rules = append(rules, rule)
		}
	}

	return rules
}
