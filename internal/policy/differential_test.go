// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// dice makes what the API server and the operator are to judge alike.
type dice struct{ *rand.Rand }

// one is one of some values.
func one[T any](d dice, values ...T) T { return values[d.IntN(len(values))] }

// some are a few of some values, at least as many as said.
func some[T any](d dice, least, most int, values ...T) []T {
	d.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })

	return values[:least+d.IntN(most-least+1)]
}

// often is true in n of ten cases.
func (d dice) often(n int) bool { return d.IntN(10) < n }

func (d dice) permissions(least, most int) []v1alpha1.Permission {
	return some[v1alpha1.Permission](d, least, most, "a", "b", "c", "d", "e:f", "g_h")
}

func (d dice) roles(least, most int) []v1alpha1.RoleName {
	return some[v1alpha1.RoleName](d, least, most, "a", "b", "c", "d")
}

func (d dice) length() v1alpha1.Duration {
	return one[v1alpha1.Duration](d, "1h", "60m", "24h", "23h60m", "24h1s", "86399s", "48h", "999999h")
}

func (d dice) rate() *v1alpha1.RateLimit {
	return &v1alpha1.RateLimit{
		Requests: one[int32](d, 1, 10, 59, 60, 61, 3600),
		Per:      one[v1alpha1.Duration](d, "1s", "59s", "1m", "60s", "1h", "24h"),
		Burst:    one[int32](d, 0, 0, 1, 10, 60, 61, 3600),
	}
}

// apikey is an APIKey with some of everything.
func (d dice) apikey(namespace string) *v1alpha1.APIKey {
	apikey := newAPIKey(namespace)
	apikey.Spec.Environment = one(d, v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment)
	apikey.Spec.Permissions, apikey.Spec.Roles = d.permissions(0, 2), d.roles(0, 1)
	switch d.IntN(3) {
	case 0:
		apikey.Spec.ValidFor = d.length()
	case 1: // not so near to any end that the time a test takes could matter
		apikey.Spec.ExpiresAt = &metav1.Time{Time: time.Now().Add(one(d, -time.Hour, 30*time.Minute, 23*time.Hour, 25*time.Hour, 100*time.Hour))}
	}
	if d.often(5) {
		apikey.Spec.RateLimit = d.rate()
	}
	if d.often(5) {
		apikey.Spec.Rotation = &v1alpha1.Rotation{Every: d.length(), Overlap: one[v1alpha1.Duration](d, "", "0s", "1s", "59m", "3540s")}
	}
	apikey.Spec.Customers = some[v1alpha1.Customer](d, 0, 2, "a", "b", "c")
	if d.often(4) {
		template := &v1alpha1.SecretTemplate{Labels: map[string]v1alpha1.LabelValue{}, Annotations: map[string]v1alpha1.AnnotationValue{}}
		for _, name := range some(d, 0, 3, "a", "a/b", "a.b/c", "b") {
			template.Labels[name] = "x"
		}
		for _, name := range some(d, 0, 2, "a", "a/b", "b") {
			template.Annotations[name] = "x"
		}
		apikey.Spec.Secret = template
	}

	return apikey
}

// policy demands some of everything. What its schema would refuse is left out.
func (d dice) policy() v1alpha1.APIKeyPolicySpec {
	spec := v1alpha1.APIKeyPolicySpec{NamespaceSelector: d.selector()}
	if d.often(3) {
		spec.Environments = some(d, 1, 3, v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment)
	}
	if d.often(3) {
		spec.Permissions = d.permissions(3, 6)
	}
	if d.often(3) {
		spec.Roles = d.roles(2, 4)
	}
	if d.often(4) {
		spec.Expiry = &v1alpha1.ExpiryPolicy{Required: d.often(5), Maximum: d.length()}
		if d.often(5) {
			spec.Expiry.Default = "1s"
		}
	}
	if d.often(4) {
		spec.RateLimit = &v1alpha1.RateLimitPolicy{Maximum: d.rate()}
	}
	if d.often(4) {
		spec.Rotation = &v1alpha1.RotationPolicy{Required: d.often(3), MaximumAge: d.length(), MaximumOverlap: one[v1alpha1.Duration](d, "", "0s", "1s", "59m")}
	}
	if d.often(2) {
		spec.Customers = &v1alpha1.CustomerPolicy{Required: d.often(5), Allowed: some[v1alpha1.Customer](d, 1, 3, "a", "b", "c")}
		if d.often(3) {
			spec.Customers = &v1alpha1.CustomerPolicy{Required: true}
		}
	}
	if d.often(2) {
		spec.Secret = &v1alpha1.SecretPolicy{
			LabelPrefixes: some[v1alpha1.NamePrefix](d, 1, 3, "a", "a/", "a.", "b"), AnnotationPrefixes: some[v1alpha1.NamePrefix](d, 0, 2, "a", "a/", "b"),
		}
	}

	return spec
}

// selector is about the labels that labels sets.
func (d dice) selector() *v1alpha1.NamespaceSelector {
	selector := &v1alpha1.NamespaceSelector{}
	if d.often(3) {
		selector.MatchLabels = map[string]v1alpha1.LabelValue{one(d, "team", "tier"): one[v1alpha1.LabelValue](d, "", "x", "y")}
	}
	for range d.IntN(3) {
		requirement := v1alpha1.NamespaceRequirement{
			Key:      one(d, "team", "tier", "example.com/team"),
			Operator: one(d, v1alpha1.NamespaceLabelIn, v1alpha1.NamespaceLabelNotIn, v1alpha1.NamespaceLabelExists, v1alpha1.NamespaceLabelDoesNotExist),
		}
		if requirement.Operator == v1alpha1.NamespaceLabelIn || requirement.Operator == v1alpha1.NamespaceLabelNotIn {
			requirement.Values = some[v1alpha1.LabelValue](d, 1, 3, "", "x", "y")
		}
		selector.MatchExpressions = append(selector.MatchExpressions, requirement)
	}

	return selector
}

func (d dice) labels() []string {
	var labels []string
	for _, name := range []string{"team", "tier", "example.com/team"} {
		if d.often(6) {
			labels = append(labels, name, one(d, "", "x", "y"))
		}
	}

	return labels
}

var _ = Describe("The API server and the operator", func() {
	const rounds, keysARound = 30, 20

	It("judge APIKeys alike, in the same words", func(ctx SpecContext) {
		d := dice{rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same cases in every run, and no secrets
		refused := 0
		for range rounds {
			namespace := &corev1.Namespace{}
			Expect(admin.Get(ctx, client.ObjectKey{Name: newNamespace(ctx, d.labels()...)}, namespace)).To(Succeed())
			var made, selected []*v1alpha1.APIKeyPolicy
			for range 1 + d.IntN(3) {
				apikeyPolicy := makePolicy(ctx, namespace.Name, d.policy())
				if made = append(made, apikeyPolicy); policy.Selects(apikeyPolicy, namespace.Labels) {
					selected = append(selected, apikeyPolicy)
				}
			}
			awaitPolicies(ctx)
			for range keysARound {
				apikey := d.apikey(namespace.Name)
				refusal := answer(admin.Create(ctx, apikey.DeepCopy(), client.DryRunAll))
				apikey.CreationTimestamp = metav1.Now()
				violations := policy.TermsOf(apikey, selected).Violations(time.Now())
				story := func() string { return tell(namespace, apikey, made) }
				if len(violations) == 0 {
					Expect(refusal).To(BeEmpty(), story)

					continue
				}
				refused++
				refusal, _, _ = strings.Cut(refusal, " It is ") // which time is the latest depends on now
				Expect(violations).To(ContainElement(refusal), story)
			}
			for _, apikeyPolicy := range made { // the fewer there are, the faster is the rest
				Expect(admin.Delete(ctx, apikeyPolicy)).To(Succeed())
			}
		}
		Expect(refused).To(BeNumerically("~", rounds*keysARound/2, rounds*keysARound*2/5), "a test of one answer alone shows little")
		AddReportEntry("refused", fmt.Sprintf("%d of %d", refused, rounds*keysARound))
	})
})

// tell writes down a case that failed.
func tell(objects ...any) string {
	var story strings.Builder
	for _, object := range objects {
		data, err := yaml.Marshal(object)
		fmt.Fprintf(&story, "\n---\n%s%v", data, err)
	}

	return story.String()
}
