//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lostResource is a resource that the operator watches.
const lostResource = "apikeypolicies"

// watchSpecs take a right away, which breaks a watch once the API server has restarted.
func watchSpecs() {
	It("shows a watch that is broken", func(ctx context.Context) {
		r := requirement("a watch that stays broken after an outage", "its metric is 0 and no operator is ready; both end with it")
		install(ctx)
		startAsker(ctx)
		token := newScraper(ctx)
		operators := pods(ctx, managerComponent)
		shows := func(up string, ready bool) func(Gomega, context.Context) {
			return func(g Gomega, ctx context.Context) {
				for _, pod := range operators {
					expectMetric(g, ctx, pod, token, `apikey_operator_watch_up{resource="`+lostResource+`"} `+up)
					g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(&pod), &pod)).To(Succeed())
					g.Expect(podReady(pod)).To(Equal(ready), pod.Name)
				}
			}
		}
		Eventually(shows("1", true)).WithContext(ctx).Should(Succeed())
		setPolicyRight(ctx, false)
		DeferCleanup(setPolicyRight, true, NodeTimeout(patience))
		(&outage{}).happen(ctx, shortestOutage)
		Eventually(shows("0", false)).WithContext(ctx).Should(Succeed())
		setPolicyRight(ctx, true)
		Eventually(shows("1", true)).WithContext(ctx).Should(Succeed())
		r.is(true, "so it was")
	}, SpecTimeout(2*patience))
}

// setPolicyRight gives the operator the right to watch APIKeyPolicies, or takes it.
func setPolicyRight(ctx context.Context, given bool) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		role := &rbacv1.ClusterRole{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Name: "apikey-operator-manager-role"}, role)).To(Succeed())
		changed := 0
		for i := range role.Rules {
			resources := &role.Rules[i].Resources
			at := slices.IndexFunc(*resources, func(name string) bool { return name == lostResource || name == lostResource+"-taken" })
			if at >= 0 {
				changed++
				(*resources)[at] = lostResource
				if !given {
					(*resources)[at] += "-taken"
				}
			}
		}
		g.Expect(changed).NotTo(BeZero(), "the role names %s", lostResource)
		g.Expect(admin.Update(ctx, role)).To(Succeed())
	}).WithContext(ctx).Should(Succeed())
}
