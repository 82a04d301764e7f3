// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The namespaces of these specs have the labels team=shop and tier="".
var _ = Describe("The namespaceSelector of an APIKeyPolicy", func() {
	refused := func(ctx SpecContext, namespace string) bool {
		GinkgoHelper()

		return answer(admin.Create(ctx, declared(namespace, "{}"), client.DryRunAll)) != ""
	}

	DescribeTable("selects by the labels of the namespace", func(ctx SpecContext, selector string, selected bool) {
		namespace := newNamespace(ctx, "team", "shop", "tier", "")
		limited(ctx, namespace, "{environments: [Staging], namespaceSelector: "+selector+"}")
		Expect(refused(ctx, namespace)).To(Equal(selected))
	},
		Entry("a label that is there", "{matchLabels: {team: shop}}", true),
		Entry("a label with another value", "{matchLabels: {team: web}}", false),
		Entry("a label that is not there", "{matchLabels: {cost: shop}}", false),
		Entry("an empty value that is there", `{matchLabels: {tier: ""}}`, true),
		Entry("an empty value of a label that is not there", `{matchLabels: {cost: ""}}`, false),
		Entry("one label of two", "{matchLabels: {team: shop, cost: a}}", false),
		Entry("In, with the value", "{matchExpressions: [{key: team, operator: In, values: [web, shop]}]}", true),
		Entry("In, without the value", "{matchExpressions: [{key: team, operator: In, values: [web]}]}", false),
		Entry("In, of a label that is not there", "{matchExpressions: [{key: cost, operator: In, values: [web]}]}", false),
		Entry("NotIn, with the value", "{matchExpressions: [{key: team, operator: NotIn, values: [web, shop]}]}", false),
		Entry("NotIn, without the value", "{matchExpressions: [{key: team, operator: NotIn, values: [web]}]}", true),
		Entry("NotIn, of a label that is not there", "{matchExpressions: [{key: cost, operator: NotIn, values: [web]}]}", true),
		Entry("Exists, of a label that is there", "{matchExpressions: [{key: tier, operator: Exists}]}", true),
		Entry("Exists, of a label that is not there", "{matchExpressions: [{key: cost, operator: Exists}]}", false),
		Entry("DoesNotExist, of a label that is there", "{matchExpressions: [{key: tier, operator: DoesNotExist}]}", false),
		Entry("DoesNotExist, of a label that is not there", "{matchExpressions: [{key: cost, operator: DoesNotExist}]}", true),
		Entry("labels that match and an expression that does not", "{matchLabels: {team: shop}, matchExpressions: [{key: cost, operator: Exists}]}", false),
	)

	It("follows the labels of the namespace", func(ctx SpecContext) {
		namespace := newNamespace(ctx, "tier", "test")
		limited(ctx, namespace, "{environments: [Staging], namespaceSelector: {matchLabels: {tier: gold}}}")
		Expect(refused(ctx, namespace)).To(BeFalse())
		for _, tier := range []string{"gold", "test"} {
			object := &corev1.Namespace{}
			Expect(admin.Get(ctx, client.ObjectKey{Name: namespace}, object)).To(Succeed())
			object.Labels["tier"] = tier
			Expect(admin.Update(ctx, object)).To(Succeed())
			Eventually(func() bool { return refused(ctx, namespace) }).
				WithTimeout(inForceTimeout).WithPolling(5 * time.Millisecond).Should(Equal(tier == "gold"))
		}
	})
})
