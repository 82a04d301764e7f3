// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// establishTimeout is how long the API server may take to serve a new kind.
const establishTimeout = 2 * time.Minute

// location is a rule of the schema: the n-th of the schema at a path.
type location struct {
	path string
	n    int
	rule apiextensionsv1.ValidationRule
}

// rulesOf are all rules of a schema.
func rulesOf(schema *apiextensionsv1.JSONSchemaProps) []location {
	var rules []location
	walk(schema, "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
		for n, rule := range schema.XValidations {
			rules = append(rules, location{path: path, n: n, rule: rule})
		}
	})

	return rules
}

// field is what an answer about the rule names.
func (l location) field() string { return strings.TrimPrefix(l.path+l.rule.FieldPath, ".") }

// refused are the cases that the rule alone refuses.
func (l location) refused(all []refusal) []refusal {
	var cases []refusal
	for _, r := range all {
		if anyElement(r.field) == l.field() && r.message == l.rule.Message && r.also == "" {
			cases = append(cases, r)
		}
	}

	return cases
}

// outOf takes the rule out of a copy of its schema.
func (l location) outOf(schema *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	schema = schema.DeepCopy()
	walk(schema, "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
		schema.Description = "" // it would make the definition larger than etcd takes
		if path == l.path {
			schema.XValidations = slices.Delete(schema.XValidations, l.n, l.n+1)
		}
	})

	return schema
}

// inGroup is the CustomResourceDefinition of a kind as one of another group.
func inGroup(group, plural string) *apiextensionsv1.CustomResourceDefinition {
	crd := loadCRD(plural)
	crd.Spec.Group = group
	crd.Name = crd.Spec.Names.Plural + "." + group

	return crd
}

// install makes the API server serve a kind, and takes it away after the spec.
func install(ctx SpecContext, crd *apiextensionsv1.CustomResourceDefinition) {
	GinkgoHelper()
	Expect(extensions.Create(ctx, crd)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(extensions.Delete(ctx, crd)).To(Succeed()) })
	Eventually(func(g Gomega) {
		g.Expect(extensions.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
		g.Expect(established(crd)).To(BeTrue(), "%s: %v", crd.Name, crd.Status.Conditions)
		for _, version := range crd.Spec.Versions {
			_, err := untyped.Resource(schema.GroupVersionResource{
				Group: crd.Spec.Group, Version: version.Name, Resource: crd.Spec.Names.Plural,
			}).List(ctx, metav1.ListOptions{})
			g.Expect(err).NotTo(HaveOccurred())
		}
	}).WithTimeout(establishTimeout).WithPolling(20 * time.Millisecond).Should(Succeed())
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// The tables of cases say what is refused. This says that each rule is what refuses it: one that nobody would miss
// is either not tested or not needed.
var _ = Describe("A schema that lacks one rule", func() {
	for _, k := range kinds() {
		It("accepts what that rule refuses: "+k.plural, func(ctx SpecContext) {
			// A version for each rule: one kind in a group of its own is there sooner than many, and no other spec meets it.
			crd := inGroup(k.plural+".mutants.example.com", k.plural)
			whole := schemaOf(crd)
			rules := rulesOf(whole)
			Expect(rules).NotTo(BeEmpty())
			subresources := crd.Spec.Versions[0].Subresources
			crd.Spec.Versions = nil
			for n, rule := range rules {
				crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
					Name: fmt.Sprintf("lacks%d", n), Served: true, Storage: n == 0,
					Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: rule.outOf(whole)},
					Subresources: subresources,
				})
			}
			install(ctx, crd)

			for n, rule := range rules {
				cases := rule.refused(k.refusals)
				Expect(cases).NotTo(BeEmpty(), "no case breaks the rule %q of %s", rule.rule.Message, rule.path)
				mutants := k.resource(schema.GroupVersion{Group: crd.Spec.Group, Version: crd.Spec.Versions[n].Name})
				for _, r := range cases {
					Expect(r.send(ctx, mutants)).To(Succeed(), "%s is refused without the rule %q of %s", r.name, rule.rule.Message, rule.path)
				}
			}
		})
	}
})
