// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// limitCase is a new APIKey under one APIKeyPolicy.
type limitCase struct {
	// name says what is tried.
	name string
	// policy and spec are what the policy demands and the APIKey declares.
	policy, spec string
	// answer is what follows the name of the policy; empty: the APIKey is accepted.
	answer string
}

// limitCases are about each demand by itself.
func limitCases() []limitCase {
	const many = "permissions: [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11]"

	return []limitCase{
		{"an environment of those listed", "environments: [Staging, Production]", "{}", ""},
		{"another environment", "environments: [Staging, Development]", "{}", `does not allow environment "Production": it allows "Staging", "Development".`},
		{"permissions of those listed", "permissions: [a, b]", "permissions: [b, a]", ""},
		{"no permissions", "permissions: [a]", "{}", ""},
		{"roles are not permissions", "permissions: [a]", "roles: [b]", ""},
		{"other permissions", "permissions: [a, b]", "permissions: [b, c, d]", `does not allow permissions "c", "d": it allows "a", "b".`},
		{"other permissions than a long list has", many, "permissions: [b]", `does not allow permissions "b": it allows those in its spec.permissions.`},
		{"a permission of a long list", many, "permissions: [p11]", ""},
		{"roles of those listed", "roles: [a, b]", "roles: [b]", ""},
		{"other roles", "roles: [a]", "roles: [b, a]", `does not allow roles "b": it allows "a".`},

		{"an expiry is required, and there", "expiry: {required: true}", "validFor: 1h", ""},
		{"an expiry is required, and there as a time", "expiry: {required: true}", `expiresAt: "2900-01-01T00:00:00Z"`, ""},
		{"an expiry is required", "expiry: {required: true}", "{}", "demands an expiry: set spec.expiresAt or spec.validFor."},
		{"an expiry is required, and has a maximum", "expiry: {required: true, maximum: 1h}", "{}", "demands an expiry: set spec.expiresAt or spec.validFor."},
		{"an expiry is required, and has a default", "expiry: {required: true, default: 1h}", "{}", ""},
		{"an expiry is not required", "expiry: {required: false, maximum: 1h}", "{}", ""},
		{"the longest life", "expiry: {maximum: 48h}", "validFor: 2880m", ""},
		{"a longer life", "expiry: {maximum: 48h}", "validFor: 48h1s", "lets a key live at most 48h from its creation: spec.validFor is 48h1s."},
		{"the longest that can be said", "expiry: {maximum: 999999h9999999m999999998s}", "validFor: 999999h9999999m999999999s",
			"lets a key live at most 999999h9999999m999999998s from its creation: spec.validFor is 999999h9999999m999999999s."},

		{"the highest rate, in other words", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 1, per: 1s}", ""},
		{"a higher rate", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 60, per: 59s}", "allows at most 60 requests per 1m: spec.rateLimit has 60 per 59s."},
		{"no rate", "rateLimit: {maximum: {requests: 60, per: 1m}}", "{}", ""},
		{"a rate above the default", "rateLimit: {default: {requests: 60, per: 1m}}", "rateLimit: {requests: 61, per: 1m}", ""},
		{"the highest rates there are", "rateLimit: {maximum: {requests: 999999, per: 24h, burst: 1000000}}", "rateLimit: {requests: 1000000, per: 24h}", "allows at most 999999 requests per 24h: spec.rateLimit has 1000000 per 24h."},
		{"the largest burst", "rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 5, per: 1m}", ""},
		{"a larger burst", "rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 5, per: 1m, burst: 6}", "allows a burst of at most 5: spec.rateLimit has one of 6."},
		{"a larger burst than requests", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 5, per: 1m, burst: 61}", "allows a burst of at most 60: spec.rateLimit has one of 61."},
		{"a larger burst that is not said aloud", "rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 6, per: 1m}",
			"allows a burst of at most 5: spec.rateLimit has one of 6, as many as requests, because it sets no burst."},

		{"a rotation is required, and there", "rotation: {required: true}", "rotation: {every: 1h}", ""},
		{"a rotation is required", "rotation: {required: true}", "{}", "demands a rotation: set spec.rotation.every."},
		{"a rotation is required, not an overlap", "rotation: {required: true}", "rotation: {overlap: 1h}", "demands a rotation: set spec.rotation.every."},
		{"a rotation is required, and has a maximum", "rotation: {required: true, maximumAge: 24h}", "{}", "demands a rotation: set spec.rotation.every to at most 24h."},
		{"a rotation is not required", "rotation: {required: false, maximumAge: 24h}", "{}", ""},
		{"the rarest rotation", "rotation: {maximumAge: 24h}", "rotation: {every: 1440m}", ""},
		{"a rarer rotation", "rotation: {maximumAge: 24h}", "rotation: {every: 24h1s}", "demands that a key is at most 24h old: spec.rotation.every is 24h1s."},
	}
}

// subjectCases are about customers, overlaps and the Secret.
func subjectCases() []limitCase {
	const every = "demands customers: set spec.customers, without which a key is for every customer."

	return []limitCase{
		{"the longest overlap", "rotation: {maximumOverlap: 1h}", "rotation: {overlap: 60m}", ""},
		{"no overlap", "rotation: {maximumOverlap: 0s}", "rotation: {every: 1h}", ""},
		{"a longer overlap", "rotation: {maximumOverlap: 1h}", "rotation: {overlap: 1h1s}", "lets a replaced key work at most 1h longer: spec.rotation.overlap is 1h1s."},
		{"an overlap where none is allowed", "rotation: {maximumOverlap: 0s}", "rotation: {overlap: 1s}", "lets a replaced key work at most 0s longer: spec.rotation.overlap is 1s."},

		{"customers of those listed", "customers: {allowed: [acme, globex]}", "customers: [globex]", ""},
		{"other customers", "customers: {allowed: [acme]}", "customers: [globex, acme, initech]", `does not allow customers "globex", "initech": it allows "acme".`},
		{"other customers than a long list has", "customers: {allowed: [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11]}", "customers: [b]", `does not allow customers "b": it allows those in its spec.customers.allowed.`},
		{"every customer where some are listed", "customers: {allowed: [acme]}", "{}", every},
		{"every customer where some are required", "customers: {required: true}", "{}", every},
		{"some customers where some are required", "customers: {required: true}", "customers: [acme]", ""},

		{"labels and annotations with a prefix that is listed", `secret: {labelPrefixes: ["a.example/", b], annotationPrefixes: ["c.example/"]}`,
			`secret: {labels: {a.example/x: "1", bx: "1", b: "1"}, annotations: {c.example/x: "1"}}`, ""},
		{"no labels", `secret: {labelPrefixes: ["a.example/"]}`, "secret: {annotations: {x: '1'}}", ""},
		{"another label", `secret: {labelPrefixes: ["a.example/", b]}`, `secret: {labels: {z: "1", a.example/x: "1", c: "1", A: "1"}}`,
			`does not allow the label "A" on a Secret: it allows names that begin with "a.example/", "b".`},
		{"another annotation", `secret: {annotationPrefixes: ["a.example/"]}`, `secret: {annotations: {a.example.evil/x: "1"}}`,
			`does not allow the annotation "a.example.evil/x" on a Secret: it allows names that begin with "a.example/".`},
		{"an annotation with the prefix of a label", `secret: {labelPrefixes: [a], annotationPrefixes: [b]}`, `secret: {annotations: {a: "1"}}`,
			`does not allow the annotation "a" on a Secret: it allows names that begin with "b".`},
	}
}

var _ = Describe("A new APIKey under an APIKeyPolicy", func() {
	for _, c := range slices.Concat(limitCases(), subjectCases()) {
		verdict := "is refused: "
		if c.answer == "" {
			verdict = "is accepted: "
		}
		It(verdict+c.name, func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			policy := limited(ctx, namespace, c.policy)
			Expect(answer(admin.Create(ctx, declared(namespace, c.spec)))).To(Equal(about(policy, c.answer)))
		})
	}

	It("ends no later than the maximum from its creation, which is now", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		policy := limited(ctx, namespace, "expiry: {maximum: 48h}")
		key := declared(namespace, "{}")
		key.CreationTimestamp = metav1.NewTime(time.Now().Add(1000 * time.Hour)) // what a user says here does not count
		end := metav1.NewTime(time.Now().Add(47 * time.Hour))
		key.Spec.ExpiresAt = &end
		Expect(admin.Create(ctx, key.DeepCopy())).To(Succeed())

		end = metav1.NewTime(time.Now().Add(49 * time.Hour).Truncate(time.Second).UTC())
		Expect(answer(admin.Create(ctx, key))).To(And(
			HavePrefix(about(policy, "lets a key live at most 48h from its creation: spec.expiresAt is later. It is "+end.Format(time.RFC3339)+" and may be ")),
			HaveSuffix(" at the latest."), MatchRegexp(`may be \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ at`)))
	})

	It("has to meet each of several", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		first, second := limited(ctx, namespace, "{permissions: [a, b], expiry: {maximum: 48h}}"), limited(ctx, namespace, "{permissions: [b, c], expiry: {maximum: 24h}}")
		Expect(answer(admin.Create(ctx, declared(namespace, "{permissions: [b], validFor: 24h}")))).To(BeEmpty())
		Expect(answer(admin.Create(ctx, declared(namespace, "permissions: [c]")))).To(Equal(about(first, `does not allow permissions "c": it allows "a", "b".`)))
		Expect(answer(admin.Create(ctx, declared(namespace, "permissions: [a]")))).To(Equal(about(second, `does not allow permissions "a": it allows "b", "c".`)))
		Expect(answer(admin.Create(ctx, declared(namespace, "validFor: 48h")))).To(Equal(about(second, "lets a key live at most 24h from its creation: spec.validFor is 48h.")))
	})

	It("is refused the same way when it is applied", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		policy := limited(ctx, namespace, "permissions: [a]")
		apply := func(permissions ...string) error {
			return admin.Apply(ctx, applied(namespace, permissions...), client.FieldOwner("pipeline"))
		}
		Expect(answer(apply("b"))).To(Equal(about(policy, `does not allow permissions "b": it allows "a".`)))
		Expect(apply("a")).To(Succeed())
		Expect(answer(apply("a", "b"))).To(Equal(about(policy, `does not allow permissions "b": it allows "a".`)))
		Expect(apply()).To(Succeed())
	})

	It("is free where no policy is for its namespace", func(ctx SpecContext) {
		limited(ctx, newNamespace(ctx), "environments: [Development]")
		Expect(admin.Create(ctx, declared(newNamespace(ctx), "{}"))).To(Succeed())
	})

	It("is free again when the policy is gone", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		policy := limited(ctx, namespace, "environments: [Development]")
		Expect(answer(admin.Create(ctx, declared(namespace, "{}")))).NotTo(BeEmpty())
		Expect(admin.Delete(ctx, policy)).To(Succeed())
		awaitPolicies(ctx)
		Expect(admin.Create(ctx, declared(namespace, "{}"))).To(Succeed())
	})

	It("is held to a policy for all namespaces, which has no selector", func(ctx SpecContext) {
		policy := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
		policy.Spec.Roles = []v1alpha1.RoleName{"first"}
		Expect(admin.Create(ctx, policy)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(admin.Delete(ctx, policy)).To(Succeed())
			Eventually(func() error {
				return admin.Create(ctx, declared(newNamespace(ctx), "roles: [second]"), client.DryRunAll)
			}).
				WithTimeout(inForceTimeout).WithPolling(20 * time.Millisecond).Should(Succeed())
		})
		namespace := newNamespace(ctx)
		Eventually(func() error { return admin.Create(ctx, declared(namespace, "roles: [second]"), client.DryRunAll) }).
			WithTimeout(inForceTimeout).WithPolling(5 * time.Millisecond).
			Should(MatchError(ContainSubstring(about(policy, `does not allow roles "second": it allows "first".`))))
	})
})
