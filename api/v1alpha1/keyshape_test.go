// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// keyPlace is a field in which an API key may end up by mistake.
type keyPlace struct{ field, spec, message string }

// shortPlaces hold at most 63 characters, longPlaces hold any key and text around it.
func shortPlaces() []keyPlace {
	return []keyPlace{
		{
			"spec.customers[0]",
			"customers: [%q]",
			"this customer looks like an API key, which only its Secret may contain: name a customer and rotate that key",
		},
		{
			"spec.secret.key",
			"secret: {key: %q}",
			"secret.key looks like an API key, which only its Secret may contain: choose another data key and rotate that key",
		},
		{
			"spec.secret.labels",
			"secret: {labels: {%q: v}}",
			"a label name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",
		},
		{
			"spec.secret.labels[a]",
			"secret: {labels: {a: %q}}",
			"this label value looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",
		},
		{
			"spec.secret.annotations",
			"secret: {annotations: {%q: v}}",
			"an annotation name looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",
		},
	}
}

func longPlaces() []keyPlace {
	return []keyPlace{
		{
			"spec.displayName",
			"displayName: %q",
			"displayName looks like an API key, which only its Secret may contain: choose a descriptive name and rotate that key",
		},
		{"spec.owner", "owner: %q", "owner looks like an API key, which only its Secret may contain: name a user and rotate that key"},
		{
			"spec.secret.annotations[a]",
			"secret: {annotations: {a: %q}}",
			"this annotation value looks like an API key, which only the data of its Secret may contain: remove it and rotate that key",
		},
	}
}

// keyTexts are keys as the operator makes them: every environment, prefixes up to a length.
// They are drawn from a fixed seed, so that the names of the specs stay the same.
func keyTexts(prefixes ...string) []string {
	random := rand.NewChaCha8([32]byte{})
	var texts []string
	for _, prefix := range prefixes {
		for _, environment := range []v1alpha1.Environment{
			v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment,
		} {
			key, err := keys.Generator{Prefix: prefix, Random: random}.New(environment)
			if err != nil {
				panic(err) // the tree of specs is being built: there is no spec to fail
			}
			texts = append(texts, key.Reveal())
		}
	}

	return texts
}

// keyShapeRefusals are about keys in places where anyone can read them.
func keyShapeRefusals() []refusal {
	var cases []refusal
	for _, p := range slices.Concat(shortPlaces(), longPlaces()) {
		cases = append(cases, shaped(p.spec, p.field, p.message, keyTexts("a", "ak", "x9", "acme2024")...)...)
	}
	for _, p := range longPlaces() {
		key := keyTexts("abcdefghij")[0]
		cases = append(cases, shaped(p.spec, p.field, p.message, key, "key:"+key, key+"/website", strings.ToUpper(key[:5])+key)...)
	}

	return cases
}

// keyShapeAdmissions are what keyShapeRefusals must not catch.
func keyShapeAdmissions() []admission {
	body := strings.Repeat("x", 49)
	var cases []admission
	for _, p := range slices.Concat(shortPlaces(), longPlaces()) {
		cases = append(
			cases,
			admitted(p.spec, "ak_prod_"+body[1:], "ak_test_"+body, "ak_PROD_"+body, "ak.prod_"+body, "ak_prod_x-"+body[2:]+"-x", "Z_prod_"+body)...)
	}

	return cases
}

var _ = Describe("A key in a place where anyone can read it", func() {
	for _, p := range slices.Concat(shortPlaces(), longPlaces()) {
		It("is not repeated by the refusal of "+p.field, func(ctx SpecContext) {
			key := keyTexts("ak")[0]
			err := apiKeys(v1alpha1.GroupVersion).tryCreate(ctx, fmt.Sprintf(p.spec, key))
			Expect(err).To(MatchError(Not(ContainSubstring(key))))
		})
	}
})
