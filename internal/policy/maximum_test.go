// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// many are n different texts of one length that begin with a mark.
func many[T ~string](mark string, n, length int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = T(mark + fmt.Sprintf("%0*d", length-len(mark), i))
	}

	return list
}

// largestSelector is as large as a selector may be, and selects the namespaces that have the labels.
func largestSelector() (selector *v1alpha1.NamespaceSelector, labels []string) {
	prefix := strings.Join(many[string]("d", 4, 63), ".") + "/"
	selector = &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{}}
	for i, name := range many[string](prefix[:253]+"/l", 16, 317) {
		value := many[v1alpha1.LabelValue]("v", 16, 63)[i]
		selector.MatchLabels[name] = value
		labels = append(labels, name, string(value))
	}
	for i, name := range many[string](prefix[:253]+"/e", 15, 317) { // makePolicy adds the last
		values := many[v1alpha1.LabelValue]("v", 16, 63)
		selector.MatchExpressions = append(selector.MatchExpressions, v1alpha1.NamespaceRequirement{
			Key: name, Operator: []v1alpha1.NamespaceOperator{v1alpha1.NamespaceLabelIn, v1alpha1.NamespaceLabelNotIn}[i%2], Values: values,
		})
		value := string(values[15])
		if i%2 == 1 {
			value = "another"
		}
		labels = append(labels, name, value)
	}

	return selector, labels
}

// largestDomain is the longest prefix of a name of a label.
func largestDomain() string { return strings.Join(many[string]("d", 4, 63), ".")[:253] + "/" }

// largestPrefixes are as long as prefixes may be, and only the last one is that of a name.
func largestPrefixes() []v1alpha1.NamePrefix {
	prefixes := many[v1alpha1.NamePrefix](largestDomain()+"p", 16, 317)
	prefixes[15] = v1alpha1.NamePrefix(largestDomain() + "l")

	return prefixes
}

// largestTemplate has as many labels and annotations as there may be, with the longest names and values.
func largestTemplate(letter, value string) *v1alpha1.SecretTemplate {
	template := &v1alpha1.SecretTemplate{Labels: map[string]v1alpha1.LabelValue{}, Annotations: map[string]v1alpha1.AnnotationValue{}}
	for _, name := range many[string](largestDomain()+letter, 16, 317) {
		template.Labels[name] = v1alpha1.LabelValue(strings.Repeat(value, 63))
		template.Annotations[name] = v1alpha1.AnnotationValue(strings.Repeat(value, 1024))
	}

	return template
}

// largestRequest is a rotate annotation as long as it may be, with an overlap.
func largestRequest(letter string) string {
	const overlap = ",overlap=000720h0000000m000000000s"

	return strings.Repeat(letter, 1024-len(overlap)) + overlap
}

// largestPolicy demands as much as a policy can, of the last of its lists.
func largestPolicy(selector *v1alpha1.NamespaceSelector) v1alpha1.APIKeyPolicySpec {
	return v1alpha1.APIKeyPolicySpec{
		NamespaceSelector: selector,
		Environments:      []v1alpha1.Environment{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment},
		Permissions:       many[v1alpha1.Permission]("p", 128, 64),
		Roles:             many[v1alpha1.RoleName]("r", 64, 63),
		Expiry:            &v1alpha1.ExpiryPolicy{Default: "000000h0000000m000000001s", Maximum: "999999h9999999m999999998s", Required: true},
		RateLimit: &v1alpha1.RateLimitPolicy{Maximum: &v1alpha1.RateLimit{
			Requests: 999_999, Per: "000024h0000000m000000000s", Burst: 999_999,
		}},
		Rotation:  &v1alpha1.RotationPolicy{Required: true, MaximumAge: "999999h9999999m999999998s", MaximumOverlap: "000720h0000000m000000000s"},
		Customers: &v1alpha1.CustomerPolicy{Required: true, Allowed: many[v1alpha1.Customer]("c", 128, 63)},
		Secret:    &v1alpha1.SecretPolicy{LabelPrefixes: largestPrefixes(), AnnotationPrefixes: largestPrefixes()},
	}
}

// The API server stops counting, and refuses, when a policy costs too much.
var _ = Describe("The largest APIKeyPolicies", func() {
	It("are met and not met by the largest APIKeys, created and changed", func(ctx SpecContext) {
		selector, labels := largestSelector()
		namespace := newNamespace(ctx, labels...)
		for range 3 {
			makePolicy(ctx, namespace, largestPolicy(selector.DeepCopy()))
		}
		largest := makePolicy(ctx, namespace, largestPolicy(selector))
		awaitPolicies(ctx)

		apikey := newAPIKey(namespace)
		apikey.Spec = v1alpha1.APIKeySpec{
			Environment: v1alpha1.EnvironmentDevelopment,
			Permissions: largest.Spec.Permissions[112:],
			Roles:       largest.Spec.Roles[56:],
			ValidFor:    largest.Spec.Expiry.Maximum,
			RateLimit:   largest.Spec.RateLimit.Maximum.DeepCopy(),
			Rotation:    &v1alpha1.Rotation{Every: largest.Spec.Rotation.MaximumAge, Overlap: largest.Spec.Rotation.MaximumOverlap},
			Customers:   largest.Spec.Customers.Allowed[96:],
			Secret:      largestTemplate("l", "a"),
		}
		Expect(admin.Create(ctx, apikey)).To(Succeed())

		apikey.Spec.Permissions, apikey.Spec.Roles = largest.Spec.Permissions[96:112], largest.Spec.Roles[48:56]
		apikey.Spec.ValidFor, apikey.Spec.Rotation.Every, apikey.Spec.Rotation.Overlap = "1h", "1m", "0s"
		apikey.Spec.Customers, apikey.Spec.Secret = largest.Spec.Customers.Allowed[64:96], largestTemplate("l", "b")
		annotated(largestRequest("r"))(apikey)
		apikey.Spec.RateLimit = &v1alpha1.RateLimit{Requests: 999_998, Per: "000024h0000000m000000000s", Burst: 999_998}
		Expect(admin.Update(ctx, apikey)).To(Succeed())

		for what, change := range map[string]func(*v1alpha1.APIKeySpec){
			"does not allow permissions": func(s *v1alpha1.APIKeySpec) { s.Permissions = many[v1alpha1.Permission]("x", 16, 64) },
			"does not allow roles":       func(s *v1alpha1.APIKeySpec) { s.Roles = many[v1alpha1.RoleName]("x", 8, 63) },
			"lets a key live":            func(s *v1alpha1.APIKeySpec) { s.ValidFor = "999999h9999999m999999999s" },
			"allows at most":             func(s *v1alpha1.APIKeySpec) { s.RateLimit.Requests, s.RateLimit.Burst = 1_000_000, 1 },
			"allows a burst":             func(s *v1alpha1.APIKeySpec) { s.RateLimit.Burst = 1_000_000 },
			"does not allow customers":   func(s *v1alpha1.APIKeySpec) { s.Customers = many[v1alpha1.Customer]("x", 32, 63) },
			"does not allow the label":   func(s *v1alpha1.APIKeySpec) { s.Secret.Labels = largestTemplate("x", "x").Labels },
			"does not allow the annotation": func(s *v1alpha1.APIKeySpec) {
				s.Secret.Annotations = largestTemplate("x", "x").Annotations
			},
			"demands that a key": func(s *v1alpha1.APIKeySpec) { s.Rotation.Every = "999999h9999999m999999999s" },
		} {
			changed, created := apikey.DeepCopy(), newAPIKey(namespace)
			change(&changed.Spec)
			created.Spec = changed.Spec
			violations := policy.TermsOf(changed, []*v1alpha1.APIKeyPolicy{largest}).Violations(time.Now())
			Expect(violations).To(ConsistOf(ContainSubstring(what)))
			for _, refusal := range []string{answer(admin.Update(ctx, changed)), answer(admin.Create(ctx, created))} {
				_, found, _ := strings.Cut(refusal, `" `)
				_, want, _ := strings.Cut(violations[0], `" `)
				Expect(found).To(Equal(want))
			}
		}
	})
})
