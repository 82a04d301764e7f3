// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What the guardrail size allows.
const (
	mostBytes   = 64 << 10
	mostEntries = 1000
)

// The APIKeys from before the guardrail size that storeLargeFixtures makes: one has too many bytes, the other too many entries.
const (
	fixtureLarge = "large"
	fixtureMany  = "many"
)

// largeFixtures are APIKeys that the guardrail size would not let in.
func largeFixtures(namespace string) []*v1alpha1.APIKey {
	return []*v1alpha1.APIKey{
		newAPIKey(namespace, named(fixtureLarge), func(apikey *v1alpha1.APIKey) {
			apikey.Annotations = map[string]string{"a": strings.Repeat("a", mostBytes+100), v1alpha1.RotateAnnotation: strings.Repeat("r", 2000)}
			apikey.Finalizers = finalizers(3)
		}),
		newAPIKey(namespace, named(fixtureMany), func(apikey *v1alpha1.APIKey) {
			apikey.Annotations = map[string]string{"a": strings.Repeat("a", mostBytes+100)}
			apikey.Finalizers = finalizers(mostEntries + 2)
		}),
	}
}

// finalizers are so many, of 30 bytes each.
func finalizers(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("example.com/%018d", i))
	}

	return all
}

// filled has its labels, annotations, finalizers and owner references take so many bytes together. The last entry is an annotation,
// of letters that take two bytes each.
func filled(bytes int) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		apikey.Labels = map[string]string{"label": "value"}                                                                       // 10
		apikey.Finalizers = finalizers(1)                                                                                         // 30
		apikey.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "Stranger", Name: "a", UID: "uid"}} // 26
		apikey.Annotations = map[string]string{"ab": strings.Repeat("\u00e9", (bytes-68)/2)}                                      // 2 + the rest
	}
}

// sizeProbes are the requests about the guardrail size.
func sizeProbes() []probe {
	var all []probe
	add := func(name, refused string, send func(context.Context, client.Client, string) error) {
		all = append(all, probe{guardrail: "size", name: name, user: probeEditor, refused: refused, send: send})
	}
	const tooLarge, tooMany, tooLong = "may take 65536 bytes together, and these take 65538", "may have 1000 finalizers", "may take 1024 bytes, and this " +
		"one takes 1025"
	add("as much as is allowed", "", creating(filled(mostBytes)))
	add("more than is allowed", tooLarge, creating(filled(mostBytes+2)))
	add("more than is allowed, later", tooLarge, updating(fixtureKey, filled(mostBytes+2)))
	add("as many as are allowed", "", creating(func(apikey *v1alpha1.APIKey) { apikey.Finalizers = finalizers(mostEntries) }))
	add("too many finalizers", tooMany, creating(func(apikey *v1alpha1.APIKey) { apikey.Finalizers = finalizers(mostEntries + 1) }))
	add("too many owner references", tooMany, creating(func(apikey *v1alpha1.APIKey) { apikey.OwnerReferences = strangers(mostEntries + 1) }))
	add("too many finalizers, later", tooMany, updating(fixtureKey, func(apikey *v1alpha1.APIKey) { apikey.Finalizers = finalizers(mostEntries + 1) }))
	rotate := func(bytes int) func(*v1alpha1.APIKey) {
		return func(apikey *v1alpha1.APIKey) {
			apikey.Annotations = map[string]string{v1alpha1.RotateAnnotation: strings.Repeat("r", bytes)}
		}
	}
	add("a long value of the rotate annotation", tooLong, creating(rotate(1025)))
	add("a value of the rotate annotation that is not too long", "", creating(rotate(1024)))

	add("a finalizer taken off what is too large", "", updating(fixtureLarge, func(apikey *v1alpha1.APIKey) { apikey.Finalizers = apikey.Finalizers[1:] }))
	add("another spec of what is too large", "", updating(fixtureLarge, func(apikey *v1alpha1.APIKey) { apikey.Spec.DisplayName = "a" }))
	add("another spec of what has too many entries", "", updating(fixtureMany, func(apikey *v1alpha1.APIKey) { apikey.Spec.DisplayName = "a" }))
	add("less of what is too large", "", updating(fixtureLarge, func(apikey *v1alpha1.APIKey) { apikey.Annotations["a"] = apikey.Annotations["a"][1:] }))
	add("more of what is too large", "bytes together", updating(fixtureLarge, func(apikey *v1alpha1.APIKey) { apikey.Annotations["a"] += "a" }))
	add("one of too many finalizers taken off", "", updating(fixtureMany, func(apikey *v1alpha1.APIKey) { apikey.Finalizers = apikey.Finalizers[1:] }))
	add(
		"so many finalizers taken off that few are left",
		"",
		updating(fixtureMany, func(apikey *v1alpha1.APIKey) { apikey.Finalizers = apikey.Finalizers[5:] }),
	)
	add("one of too many finalizers replaced", tooMany, updating(fixtureMany, func(apikey *v1alpha1.APIKey) { apikey.Finalizers[0] += "a" }))
	add("another annotation with some of too many finalizers", tooMany, updating(fixtureMany, func(apikey *v1alpha1.APIKey) {
		apikey.Finalizers = apikey.Finalizers[1:]
		apikey.Annotations["a"] = "b"
	}))
	add("another annotation where few finalizers are left", "bytes together", updating(fixtureMany, func(apikey *v1alpha1.APIKey) {
		apikey.Finalizers = apikey.Finalizers[2:]
		apikey.Annotations["a"] = strings.Repeat("b", len(apikey.Annotations["a"]))
	}))

	return all
}
