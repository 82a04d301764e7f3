// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	valuesWithOperator = "values go with the operators In and NotIn, and with no other"
	expiryDefault      = "default must not be longer than maximum"
	limitDefault       = "default must not allow more than maximum, neither requests in the same time nor burst"
)

// apiKeyPolicies are the APIKeyPolicies of a group and version.
func apiKeyPolicies(version schema.GroupVersion) resource {
	return resource{
		ResourceInterface: untyped.Resource(version.WithResource("apikeypolicies")),
		kind:              version.WithKind("APIKeyPolicy"),
		parse:             parseYAML,
	}
}

// policyRefusals are all cases about APIKeyPolicies.
func policyRefusals() []refusal {
	const labels, expressions = "spec.namespaceSelector.matchLabels", "spec.namespaceSelector.matchExpressions"

	return slices.Concat(
		[]refusal{
			{name: "a policy that demands nothing", spec: "{}", field: "spec", message: "spec in body should have at least 1 properties"},
			{
				name:    "a list of no environments",
				spec:    "environments: []",
				field:   "spec.environments",
				message: "spec.environments in body should have at least 1 items",
			},
			{name: "an environment twice", spec: "environments: [Staging, Staging]", field: "spec.environments", message: repeated("environments")},
			{
				name:    "an environment that does not exist",
				spec:    "environments: [Test]",
				field:   "spec.environments[0]",
				message: `Unsupported value: "Test": supported values: "Production", "Staging", "Development"`,
			},
			{
				name:      "4 environments",
				spec:      "environments: [Production, Staging, Development, Test]",
				field:     "spec.environments",
				message:   "Too many: 4: must have at most 3 items",
				alsoField: "spec.environments[3]",
				also:      `Unsupported value: "Test": supported values: "Production", "Staging", "Development"`,
			},
			{name: "129 permissions", spec: "permissions: " + listOf(129), field: "spec.permissions", message: "Too many: 129: must have at most 128 items"},
			{name: "65 roles", spec: "roles: " + listOf(65), field: "spec.roles", message: "Too many: 65: must have at most 64 items"},

			{name: "an empty expiry", spec: "expiry: {}", field: "spec.expiry", message: "spec.expiry in body should have at least 1 properties"},
			{name: "a default after the maximum", spec: "expiry: {default: 1h1s, maximum: 60m}", field: "spec.expiry.default", message: expiryDefault},
			{
				name:    "required as text",
				spec:    `expiry: {required: "yes"}`,
				field:   "spec.expiry.required",
				message: `spec.expiry.required in body must be of type boolean: "string"`,
			},
			{name: "an empty rateLimit", spec: "rateLimit: {}", field: "spec.rateLimit", message: "spec.rateLimit in body should have at least 1 properties"},
			{
				name:    "a default rate above the maximum",
				spec:    "rateLimit: {default: {requests: 61, per: 1m, burst: 1}, maximum: {requests: 1, per: 1s}}",
				field:   "spec.rateLimit.default",
				message: limitDefault,
			},
			{
				name:    "a default burst above the maximum",
				spec:    "rateLimit: {default: {requests: 1, per: 1m, burst: 3}, maximum: {requests: 9, per: 1m, burst: 2}}",
				field:   "spec.rateLimit.default",
				message: limitDefault,
			},
			{
				name:    "a default burst above the maximum, said by neither",
				spec:    "rateLimit: {default: {requests: 2, per: 1m}, maximum: {requests: 1, per: 1s}}",
				field:   "spec.rateLimit.default",
				message: limitDefault,
			},
			{name: "an empty rotation", spec: "rotation: {}", field: "spec.rotation", message: "spec.rotation in body should have at least 1 properties"},

			{
				name:    "no labels to match",
				spec:    "namespaceSelector: {matchLabels: {}}",
				field:   labels,
				message: labels + " in body should have at least 1 properties",
			},
			{
				name:    "17 labels to match",
				spec:    "namespaceSelector: {matchLabels: " + mapOf(17) + "}",
				field:   labels,
				message: "Too many: 17: must have at most 16 items",
			},
			{
				name:    "a label value of 64 characters",
				spec:    "namespaceSelector: {matchLabels: {a: " + strings.Repeat("a", 64) + "}}",
				field:   labels + ".a",
				message: "Too long: may not be more than 63 bytes",
			},
			{
				name:    "no expressions to match",
				spec:    "namespaceSelector: {matchExpressions: []}",
				field:   expressions,
				message: expressions + " in body should have at least 1 items",
			},
			{
				name:    "17 expressions",
				spec:    "namespaceSelector: {matchExpressions: [" + strings.Repeat("{key: a, operator: Exists}, ", 17) + "]}",
				field:   expressions,
				message: "Too many: 17: must have at most 16 items",
			},
		},
		requirementRefusals(),
		shaped("namespaceSelector: {matchLabels: {%q: v}}", labels, labelNameShape, badNames()...),
		shaped("namespaceSelector: {matchLabels: {%q: v}}", labels, labelNameIsKey, keyTexts("a", "ak")...),
		shaped("namespaceSelector: {matchLabels: {a: %q}}", labels+"[a]", labelValueShape, badLabelValues()...),
		shaped("namespaceSelector: {matchLabels: {a: %q}}", labels+"[a]", labelValueIsKey, keyTexts("a", "ak")...),
		policyListRefusals(),
		warningRefusals(),
		moved("spec.validFor", "spec.expiry.default", "validFor: ", "expiry: {default: "),
		moved("spec.validFor", "spec.expiry.maximum", "validFor: ", "expiry: {maximum: "),
		moved("spec.rotation.every", "spec.rotation.maximumAge", "rotation: {every: ", "rotation: {maximumAge: "),
		moved("spec.rotation.overlap", "spec.rotation.maximumOverlap", "rotation: {overlap: ", "rotation: {maximumOverlap: "),
		customerPolicyRefusals(),
		prefixRefusals("labelPrefixes"),
		prefixRefusals("annotationPrefixes"),
		moved("spec.rateLimit", "spec.rateLimit.default", "rateLimit: {", "rateLimit: {default: {"),
		moved("spec.rateLimit", "spec.rateLimit.maximum", "rateLimit: {", "rateLimit: {maximum: {"),
	)
}

const (
	labelNameIsKey       = "a label name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key"
	requirementNameIsKey = "this label name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key"
	labelValueIsKey      = "this label value looks like an API key, which only the data of its Secret may contain: remove it and rotate that key"
)

// badLabelValues are no values of labels.
func badLabelValues() []string {
	return []string{" ", "a b", "-a", "a-", "_a", "a.", "a/b", "a:b", "ä", "a\n"}
}

// requirementRefusals are about one expression of a selector.
func requirementRefusals() []refusal {
	const field = "spec.namespaceSelector.matchExpressions[0]"
	spec := func(requirement string) string {
		return "namespaceSelector: {matchExpressions: [{" + requirement + "}]}"
	}
	names := slices.DeleteFunc(badNames(), func(name string) bool { return name == "" })

	return slices.Concat(
		[]refusal{
			{name: "no key", spec: spec("operator: Exists"), field: field + ".key", message: "Required value"},
			{
				name:    "an empty key",
				spec:    spec(`key: "", operator: Exists`),
				field:   field + ".key",
				message: field + ".key in body should be at least 1 chars long",
				also:    labelNameShape,
			},
			{
				name:    "a key of 318 characters",
				spec:    spec("key: " + longestName() + "b, operator: Exists"),
				field:   field + ".key",
				message: "Too long: may not be more than 317 bytes",
			},
			{name: "no operator", spec: spec("key: a"), field: field + ".operator", message: "Required value"},
			{
				name:    "an operator that does not exist",
				spec:    spec("key: a, operator: Equals, values: [a]"),
				field:   field + ".operator",
				message: `Unsupported value: "Equals": supported values: "In", "NotIn", "Exists", "DoesNotExist"`,
			},
			{name: "In without values", spec: spec("key: a, operator: In"), field: field + ".values", message: valuesWithOperator},
			{name: "NotIn without values", spec: spec("key: a, operator: NotIn"), field: field + ".values", message: valuesWithOperator},
			{name: "Exists with values", spec: spec("key: a, operator: Exists, values: [a]"), field: field + ".values", message: valuesWithOperator},
			{
				name:    "DoesNotExist with values",
				spec:    spec("key: a, operator: DoesNotExist, values: [a]"),
				field:   field + ".values",
				message: valuesWithOperator,
			},
			{
				name:    "a list of no values",
				spec:    spec("key: a, operator: In, values: []"),
				field:   field + ".values",
				message: field + ".values in body should have at least 1 items",
			},
			{
				name:    "17 values",
				spec:    spec("key: a, operator: In, values: " + listOf(17)),
				field:   field + ".values",
				message: "Too many: 17: must have at most 16 items",
			},
			{name: "a value twice", spec: spec("key: a, operator: In, values: [a, a]"), field: field + ".values", message: repeated("values")},
			{
				name:    "a value of 64 characters",
				spec:    spec("key: a, operator: In, values: [" + strings.Repeat("a", 64) + "]"),
				field:   field + ".values[0]",
				message: "Too long: may not be more than 63 bytes",
			},
		},
		shaped(spec("key: %q, operator: Exists"), field+".key", labelNameShape, names...),
		shaped(spec("key: %q, operator: Exists"), field+".key", requirementNameIsKey, keyTexts("a", "ak")...),
		shaped(spec("key: a, operator: In, values: [%q]"), field+".values[0]", labelValueShape, badLabelValues()...),
		shaped(spec("key: a, operator: In, values: [%q]"), field+".values[0]", labelValueIsKey, keyTexts("a", "ak")...),
	)
}

// policyListRefusals are what is refused of spec.permissions and spec.roles of an APIKey, in the fields of the same names.
func policyListRefusals() []refusal {
	return slices.DeleteFunc(permissionRefusals(), func(r refusal) bool {
		return strings.HasPrefix(r.message, "Too many") // a policy may list more
	})
}

// moved are what is refused of a field of an APIKey, in a field of an APIKeyPolicy that has its type. Before and after are
// how the specs begin.
func moved(from, to, before, after string) []refusal {
	var cases []refusal
	for _, r := range slices.Concat(limitRefusals(), durationRefusals()) {
		rest, found := strings.CutPrefix(r.spec, before)
		if r.before != "" || !found || r.field != from && !strings.HasPrefix(r.field, from+".") {
			continue
		}
		r.spec = after + rest + strings.Repeat("}", strings.Count(after, "{")-strings.Count(before, "{"))
		r.field = strings.Replace(r.field, from, to, 1)
		names := strings.NewReplacer(from+" ", to+" ", from+".", to+".", lastOf(from)+" must", lastOf(to)+" must")
		r.message, r.also = names.Replace(r.message), names.Replace(r.also)
		cases = append(cases, r)
	}

	return cases
}

// lastOf is the last part of the name of a field.
func lastOf(field string) string { return field[strings.LastIndex(field, ".")+1:] }

// policyAdmissions are what policyRefusals must not catch.
func policyAdmissions() []admission {
	return slices.Concat(
		[]admission{
			{name: "no more than a selector", spec: "namespaceSelector: {}"},
			{name: "all environments", spec: "environments: [Production, Staging, Development]"},
			{name: "128 permissions and 64 roles", spec: "{permissions: " + listOf(128) + ", roles: " + listOf(64) + "}"},
			{name: "a default as long as the maximum", spec: "expiry: {default: 60m, maximum: 1h, required: true}"},
			{name: "the shortest and the longest warning", spec: "expiry: {warnBefore: [1m, 8760h]}"},
			{name: "8 warnings, one spelled in two ways", spec: "expiry: {warnBefore: [1h, 60m, 3600s, 720h, 2160h, 168h, 24h, 1h0m1s]}"},
			{name: "a default beside no maximum", spec: "expiry: {default: 999999h9999999m999999999s}"},
			{name: "a maximum of no overlap", spec: "rotation: {maximumOverlap: 0s}"},
			{name: "128 customers", spec: "customers: {required: true, allowed: " + listOf(128) + "}"},
			{name: "no more than required customers", spec: "customers: {required: true}"},
			{
				name: "16 prefixes, of one character to 317",
				spec: "secret: {labelPrefixes: " + listOf(16) + ", annotationPrefixes: [a, \"0\", example.com/, " + longestName() + "]}",
			},
			{name: "no more than required", spec: "{expiry: {required: true}, rotation: {required: true}}"},
			{
				name: "a default as high as the maximum",
				spec: "rateLimit: {default: {requests: 60, per: 1m, burst: 2}, maximum: {requests: 1, per: 1s, burst: 2}}",
			},
			{name: "the highest limits", spec: "rateLimit: {default: {requests: 1000000, per: 24h}, maximum: {requests: 1000000, per: 24h, burst: 1000000}}"},
			{name: "a default beside no maximum of the limit", spec: "rateLimit: {default: {requests: 1000000, per: 1s}}"},
			{name: "the shortest age", spec: "rotation: {maximumAge: 1m}"},
			{name: "every operator", spec: `namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [""]}, {key: a, operator: NotIn, values: [b]},
				{key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}`},
			{
				name: "16 labels and 16 values",
				spec: "namespaceSelector: {matchLabels: " + mapOf(16) + ", matchExpressions: [{key: a, operator: In, values: " + listOf(16) + "}]}",
			},
		},
		admitted("namespaceSelector: {matchLabels: {%q: v}}", goodNames()...),
		admitted("namespaceSelector: {matchExpressions: [{key: %q, operator: Exists}]}", goodNames()...),
		admitted("namespaceSelector: {matchLabels: {a: %q}}", "", "a", "7", "A.b_c-d", strings.Repeat("a", 63)),
		admitted("namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [%q]}]}", "", "a", "7", "A.b_c-d", strings.Repeat("a", 63)),
	)
}

var _ = Describe("An APIKeyPolicy", func() {
	for _, a := range policyAdmissions() {
		It("is accepted: "+a.name+" of "+a.spec, func(ctx SpecContext) {
			object := apiKeyPolicies(v1alpha1.GroupVersion).create(ctx, a.spec)
			DeferCleanup(func(ctx SpecContext) { Expect(typed.Delete(ctx, object)).To(Succeed()) })
			var read v1alpha1.APIKeyPolicy
			Expect(typed.Get(ctx, client.ObjectKeyFromObject(object), &read)).To(Succeed())
			read.Labels = map[string]string{"touched": "yes"}
			Expect(typed.Update(ctx, &read)).To(Succeed(), "what Go has read must be accepted when it is written back")
			Expect(fieldsOf(&read.Spec)).To(Equal(object.Object["spec"]), "Go knows every field")
		})
	}

	It("can be as large as its schema says, and changed then", func(ctx SpecContext) {
		policies := apiKeyPolicies(v1alpha1.GroupVersion)
		object := policies.object("{}")
		object.Object["spec"] = largestPolicy("a")
		object, err := policies.Create(ctx, object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) { Expect(typed.Delete(ctx, object)).To(Succeed()) })
		object.Object["spec"] = largestPolicy("b")
		_, err = policies.Update(ctx, object, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
		Expect(err).NotTo(HaveOccurred())

		spec := schemaOf(loadCRD("apikeypolicies")).Properties["spec"]
		expectLargest("spec", &spec, largestPolicy("a"))
	})

	It("is called by the names that people type", func() {
		crd := loadCRD("apikeypolicies")
		Expect(crd.Spec.Names.ShortNames).To(ConsistOf("akp"))
		Expect(crd.Spec.Names.Categories).To(ConsistOf("apikey-operator"))
		Expect(crd.Spec.Scope).To(BeEquivalentTo("Cluster"))
	})
})

// largestPolicy has every list full and every text as long as it may be. All of it differs for another mark, a character.
func largestPolicy(mark string) map[string]any {
	GinkgoHelper()
	limit := v1alpha1.RateLimit{Requests: 1_000_000, Per: "000024h0000000m000000000s", Burst: 1_000_000}
	selector := &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{}}
	for i := range 16 {
		name := mark + fmt.Sprintf("%02d", i) + longestName()[3:]
		selector.MatchLabels[name] = v1alpha1.LabelValue(strings.Repeat(mark, 63))
		selector.MatchExpressions = append(selector.MatchExpressions, v1alpha1.NamespaceRequirement{
			Key: name, Operator: v1alpha1.NamespaceLabelNotIn, Values: numbered[v1alpha1.LabelValue](16, mark, 63),
		})
	}

	var warnings []v1alpha1.Duration
	for i := range 8 {
		warnings = append(warnings, v1alpha1.Duration(fmt.Sprintf("%06dh0000000m000000000s", 10*int(mark[0])+i)))
	}

	return fieldsOf(&v1alpha1.APIKeyPolicySpec{
		NamespaceSelector: selector,
		Environments:      []v1alpha1.Environment{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment},
		Permissions:       numbered[v1alpha1.Permission](128, mark, 64),
		Roles:             numbered[v1alpha1.RoleName](64, mark, 63),
		Expiry: &v1alpha1.ExpiryPolicy{
			Default: "999999h9999999m999999999s", Maximum: "999999h9999999m999999999s", Required: true, WarnBefore: warnings,
		},
		RateLimit: &v1alpha1.RateLimitPolicy{Default: limit.DeepCopy(), Maximum: &limit},
		Rotation:  &v1alpha1.RotationPolicy{Required: true, MaximumAge: "999999h9999999m999999999s", MaximumOverlap: "000720h0000000m000000000s"},
		Customers: &v1alpha1.CustomerPolicy{Required: true, Allowed: numbered[v1alpha1.Customer](128, mark, 63)},
		Secret: &v1alpha1.SecretPolicy{
			LabelPrefixes: numbered[v1alpha1.NamePrefix](16, mark, 317), AnnotationPrefixes: numbered[v1alpha1.NamePrefix](16, mark, 317),
		},
	})
}
