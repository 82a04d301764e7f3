// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var _ = Describe("A new APIKey under an APIKeyPolicy", func() {
	for _, c := range demandCases() {
		verdict := "is refused: "
		if c.violation == "" {
			verdict = "is accepted: "
		}
		It(verdict+c.name, func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			policy := limited(ctx, namespace, c.policy)
			Expect(answer(admin.Create(ctx, declared(namespace, c.spec)))).To(Equal(about(policy, c.violation)))
		})
	}

	It("ends no later than the maximum from its creation, which is now", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		policy := limited(ctx, namespace, "expiry: {maximum: 48h}")
		apikey := declared(namespace, "{}")
		apikey.CreationTimestamp = metav1.NewTime(time.Now().Add(1000 * time.Hour)) // what a user says here does not count
		end := metav1.NewTime(time.Now().Add(47 * time.Hour))
		apikey.Spec.ExpiresAt = &end
		Expect(admin.Create(ctx, apikey.DeepCopy())).To(Succeed())

		end = metav1.NewTime(time.Now().Add(49 * time.Hour).Truncate(time.Second).UTC())
		Expect(answer(admin.Create(ctx, apikey))).To(And(
			HavePrefix(about(policy, "lets a key live at most 48h from its creation: spec.expiresAt is later. It is "+end.Format(time.RFC3339)+" and may be ")),
			HaveSuffix(" at the latest."), MatchRegexp(`may be \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ at`)))
	})

	It("has to meet each of several", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		first, second := limited(
			ctx,
			namespace,
			"{permissions: [a, b], expiry: {maximum: 48h}}",
		), limited(
			ctx,
			namespace,
			"{permissions: [b, c], expiry: {maximum: 24h}}",
		)
		Expect(answer(admin.Create(ctx, declared(namespace, "{permissions: [b], validFor: 24h}")))).To(BeEmpty())
		Expect(answer(admin.Create(ctx, declared(namespace, "permissions: [c]")))).
			To(Equal(about(first, `does not allow permissions "c": it allows "a", "b".`)))
		Expect(answer(admin.Create(ctx, declared(namespace, "permissions: [a]")))).
			To(Equal(about(second, `does not allow permissions "a": it allows "b", "c".`)))
		Expect(answer(admin.Create(ctx, declared(namespace, "validFor: 48h")))).
			To(Equal(about(second, "lets a key live at most 24h from its creation: spec.validFor is 48h.")))
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
