// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What the APIKeyPolicy of limitProbes demands, and the least that meets it.
const (
	probedPolicy = `{environments: [Production], permissions: ["granted:p0"], roles: [granted-r0], expiry: {required: true, maximum: 24h},
		rateLimit: {maximum: {requests: 10, per: 1m, burst: 10}}, rotation: {required: true, maximumAge: 1h, maximumOverlap: 1m},
		customers: {required: true, allowed: [acme]}, secret: {labelPrefixes: [a], annotationPrefixes: [b]}}`
	probedSpec = `{environment: Production, permissions: ["granted:p0"], roles: [granted-r0], validFor: 24h,
		rateLimit: {requests: 10, per: 1m}, rotation: {every: 1h, overlap: 1m}, customers: [acme], secret: {labels: {a: x}, annotations: {b: x}}}`
)

// limitProbes are the requests about the guardrail limits. They are sent in namespaces with the label mutantOfLabel=limits.
func limitProbes() []probe {
	var all []probe
	add := func(name, user, refused string, send func(context.Context, client.Client, string) error) {
		all = append(all, probe{guardrail: "limits", name: name, user: user, refused: refused, send: send})
	}
	with := func(fields string) func(context.Context, client.Client, string) error {
		return creating(func(apikey *v1alpha1.APIKey) { apikey.Spec = fromYAML[v1alpha1.APIKeySpec](change(probedSpec, fields)) })
	}
	add("what is allowed", probeGranted, "", with("{}"))
	for fields, refused := range map[string]string{
		"environment: Staging":                          "does not allow environment",
		`permissions: ["granted:p1"]`:                   "does not allow permissions",
		"roles: [granted-r1]":                           "does not allow roles",
		"validFor: null":                                "demands an expiry",
		"validFor: 25h":                                 "lets a key live",
		"rateLimit: {requests: 11, per: 1m, burst: 10}": "allows at most 10 requests",
		"rateLimit: {requests: 10, per: 1m, burst: 11}": "allows a burst",
		"rotation: null":                                "demands a rotation",
		"rotation: {every: 2h}":                         "demands that a key",
		"rotation: {every: 1h, overlap: 2m}":            "lets a replaced key work at most 1m longer: spec",
		"customers: null":                               "demands customers",
		"customers: [globex]":                           "does not allow customers",
		"secret: {labels: {b: x}}":                      "does not allow the label",
		"secret: {annotations: {a: x}}":                 "does not allow the annotation",
	} {
		add(fields, probeGranted, refused, with(fields))
	}
	for _, user := range systemControllers() {
		add("an environment that is not allowed, by "+user, user, "does not allow environment", creating(func(apikey *v1alpha1.APIKey) {
			apikey.Spec.Environment = v1alpha1.EnvironmentStaging
		}))
	}
	add("a longer life, later", probeEditor, "lets a key live", updating(fixtureKey, func(apikey *v1alpha1.APIKey) { apikey.Spec.ValidFor = "25h" }))
	add("a longer overlap of one rotation", probeEditor, "longer: the annotation", updating(fixtureFree, annotated("a,overlap=2m")))
	add("another name for what is not allowed", probeEditor, "", updating(fixtureKey, func(apikey *v1alpha1.APIKey) { apikey.Spec.DisplayName = "a" }))
	add("a finalizer taken off what CEL cannot read", probeEditor, "", withoutFinalizerOfUnreadable)

	return all
}

// storeLimitFixtures stores what limitProbes are about beside the APIKeys: an APIKeyPolicy for all namespaces with the label.
func storeLimitFixtures(ctx context.Context, _ string) {
	GinkgoHelper()
	policy := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "probed"}, Spec: fromYAML[v1alpha1.APIKeyPolicySpec](probedPolicy)}
	policy.Spec.NamespaceSelector = &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{mutantOfLabel: "limits"}}
	if err := admin.Create(ctx, policy); client.IgnoreAlreadyExists(err) != nil {
		Expect(err).NotTo(HaveOccurred())
	}
	awaitPolicies(ctx)
}
