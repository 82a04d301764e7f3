// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// foreignFields are described by Kubernetes: the type and object metadata, and conditions.
var foreignFields = regexp.MustCompile(`^(\.apiVersion|\.kind|\.metadata|\.status\.conditions\[\]\..*)$`)

// notForUsers are words of those who work on the schema.
var notForUsers = regexp.MustCompile(`(?i)\b(CEL|Golang|Go|schema|decod(e[sd]?|ing)|oldSelf|transition rules?|marshal\w*|informer|resync)\b`)

// describedField is a field of a served schema, and its path.
type describedField struct {
	path   string
	schema apiextensionsv1.JSONSchemaProps
}

// describedFields are the fields below a schema that are ours.
func describedFields(path string, schema apiextensionsv1.JSONSchemaProps) []describedField {
	var found []describedField
	for name, property := range schema.Properties {
		if below := path + "." + name; !foreignFields.MatchString(below) {
			found = append(append(found, describedField{below, property}), describedFields(below, property)...)
		}
	}
	if schema.Items != nil {
		found = append(found, describedFields(path+"[]", *schema.Items.Schema)...)
	}
	if schema.AdditionalProperties != nil {
		found = append(found, describedFields(path+"{}", *schema.AdditionalProperties.Schema)...)
	}

	return found
}

// descriptions are all texts of a schema, also those of elements.
func descriptions(schema apiextensionsv1.JSONSchemaProps) []string {
	found := []string{schema.Description}
	for _, property := range schema.Properties {
		found = append(found, descriptions(property)...)
	}
	if schema.Items != nil {
		found = append(found, descriptions(*schema.Items.Schema)...)
	}
	if schema.AdditionalProperties != nil {
		found = append(found, descriptions(*schema.AdditionalProperties.Schema)...)
	}

	return found
}

// servedKinds are the CRDs of this project as the API server has them.
func servedKinds(ctx context.Context) []apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	list := &apiextensionsv1.CustomResourceDefinitionList{}
	Expect(extensions.List(ctx, list)).To(Succeed())
	var ours []apiextensionsv1.CustomResourceDefinition
	for _, crd := range list.Items {
		if crd.Spec.Group == v1alpha1.GroupName {
			ours = append(ours, crd)
		}
	}
	Expect(ours).NotTo(BeEmpty())

	return ours
}

// example is the value in the last line of a description.
func example(description string) (value any, text string) {
	GinkgoHelper()
	lines := strings.Split(description, "\n")
	text, found := strings.CutPrefix(lines[len(lines)-1], "Example: ")
	Expect(found).To(BeTrue(), "the last line of the description is no example: %q", description)
	encoded, err := yaml.YAMLToJSON([]byte(text))
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(encoded, &value)).To(Succeed())

	return value, text
}

var _ = Describe("The documentation of fields", func() {
	It("has an example for each that its schema accepts", func(ctx SpecContext) {
		for _, crd := range servedKinds(ctx) {
			for _, f := range describedFields("", *crd.Spec.Versions[0].Schema.OpenAPIV3Schema) {
				By(crd.Spec.Names.Kind + f.path)
				value, text := example(f.schema.Description)
				var internal apiextensions.JSONSchemaProps
				Expect(apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&f.schema, &internal, nil)).To(Succeed())
				validator, _, err := validation.NewSchemaValidator(&internal)
				Expect(err).NotTo(HaveOccurred())
				Expect(validation.ValidateCustomResource(field.NewPath(f.path), value, validator)).To(BeEmpty(), text)
				Expect(strings.TrimSpace(strings.TrimSuffix(f.schema.Description, "Example: "+text))).NotTo(BeEmpty(), "it has nothing but an example")
			}
		}
	})

	It("holds no notes on how the schema is made", func(ctx SpecContext) {
		for _, crd := range servedKinds(ctx) {
			schema := *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
			Expect(notForUsers.FindString(schema.Description)).To(BeEmpty(), schema.Description)
			for _, f := range describedFields("", schema) {
				Expect(notForUsers.FindString(f.schema.Description)).To(BeEmpty(), "%s%s: %s", crd.Spec.Names.Kind, f.path, f.schema.Description)
			}
			for _, note := range notes() {
				for _, description := range descriptions(schema) {
					Expect(description).NotTo(ContainSubstring(note))
				}
			}
		}
	})

	It("is what kubectl explain shows", func(ctx SpecContext) {
		kubeconfig, err := plane.Kubeconfig("reader", "system:masters")
		Expect(err).NotTo(HaveOccurred())
		explain := func(path string) string {
			cmd := exec.CommandContext(
				ctx,
				plane.Program("kubectl"),
				"--kubeconfig="+kubeconfig,
				"--cache-dir="+filepath.Join(plane.Folder(), "cache"),
				"explain",
				path,
			)
			cmd.Stderr = GinkgoWriter
			out, err := cmd.Output()
			Expect(err).NotTo(HaveOccurred(), path)

			return strings.Join(strings.Fields(string(out)), " ") // it wraps lines
		}
		for _, crd := range servedKinds(ctx) {
			resource := crd.Spec.Names.Plural + "." + crd.Spec.Group
			for _, part := range []string{"spec", "status"} {
				schema, there := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[part]
				if !there {
					continue
				}
				shown := explain(resource + "." + part)
				for name, property := range schema.Properties {
					Expect(shown).To(ContainSubstring(strings.Join(strings.Fields(property.Description), " ")), "%s.%s.%s", resource, part, name)
				}
			}
		}
	})
})

// notes are the lines behind "---" in the comments of this package.
func notes() []string {
	GinkgoHelper()
	files, err := filepath.Glob("*_types.go")
	Expect(err).NotTo(HaveOccurred())
	more, err := filepath.Glob("apikey_*.go")
	Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, file := range append(files, more...) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		Expect(err).NotTo(HaveOccurred())
		for _, group := range parsed.Comments {
			found = append(found, behindDashes(group)...)
		}
	}
	Expect(found).NotTo(BeEmpty())

	return found
}

// behindDashes are the lines of a comment behind "---" that are no markers.
func behindDashes(group *ast.CommentGroup) []string {
	var found []string
	behind := false
	for _, comment := range group.List {
		line := strings.TrimSpace(strings.TrimPrefix(comment.Text, "//"))
		if behind && line != "" && !strings.HasPrefix(line, "+") {
			found = append(found, line)
		}
		behind = behind || strings.HasPrefix(line, "---")
	}

	return found
}
