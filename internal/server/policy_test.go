// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

var _ = Describe("The rate limit of an APIKeyPolicy", func() {
	It("holds for a key whose spec has none, and follows the policy over every interface", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		policy := &v1alpha1.APIKeyPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "limit-of-" + namespace},
			Spec: v1alpha1.APIKeyPolicySpec{
				NamespaceSelector: &v1alpha1.NamespaceSelector{
					MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: v1alpha1.LabelValue(namespace)},
				},
				RateLimit: &v1alpha1.RateLimitPolicy{Default: &v1alpha1.RateLimit{Requests: 1, Per: "1h"}},
			},
		}
		q := question{
			headers: [][2]string{{"X-API-Key", mint(ctx, namespace, "limited", v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction})}},
			needs:   [][2]string{{"environment", "Production"}},
		}
		key := &v1alpha1.APIKey{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "limited"}, key)).To(Succeed())
		limit := func() access.Limit { return verifier.index.Subject(namespace, "limited", string(key.UID)).Limit }

		Expect(admin.Create(ctx, policy)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, policy))).To(Succeed()) })
		Eventually(limit).WithTimeout(patience).Should(HaveField("Requests", BeEquivalentTo(1)))
		for _, way := range interfaces() {
			verifier.clock.Step(2 * time.Hour) // the one request is there again
			got := way.ask(verifier, ctx, q)
			Expect(got.Code).To(Equal(200), way.name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=1;w=3600`), way.name)
			Expect(way.ask(verifier, ctx, q).Code).To(Equal(429), way.name)
		}

		Expect(admin.Delete(ctx, policy)).To(Succeed())
		Eventually(limit).WithTimeout(patience).Should(Equal(access.Limit{}))
		for _, way := range interfaces() {
			Expect(way.ask(verifier, ctx, q).Code).To(Equal(200), way.name)
		}
	})
})
