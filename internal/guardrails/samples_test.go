// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var _ = Describe("The samples and the roles", Ordered, func() {
	const storefront, jane, bob = "storefront", "jane.sample@example.com", "bob.sample@example.com"

	BeforeAll(func(ctx SpecContext) {
		Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: storefront, Labels: map[string]string{"stage": "production"}}})).To(Succeed())
		samples := filepath.Join(root(), "config", "samples", "guardrails")
		kubectl(ctx, "apply", "--server-side", "-k", samples)
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "delete", "-k", samples) })
		awaitPolicies(ctx)

		// The cluster's own role edit, which kube-controller-manager fills from apikey-editor.
		for _, user := range []string{jane, bob} {
			Expect(admin.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: storefront, GenerateName: "edit-"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
			})).To(Succeed())
			awaitRight(ctx, user, storefront, mayEdit, "")
		}
		var binding rbacv1.RoleBinding
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: storefront, Name: "customers-reader-granter"}, &binding)).To(Succeed())
		binding.Subjects[0].Name = jane
		Expect(admin.Update(ctx, &binding)).To(Succeed())
		awaitRight(ctx, jane, storefront, may("grant", "permissions", "customers:read"), "customers:read")
	})

	key := func(permissions ...v1alpha1.Permission) *v1alpha1.APIKey {
		return newKey(storefront, withPermissions(permissions...), rotating("720h"))
	}

	It("let an editor with the grant make an APIKey with that permission, and no other", func(ctx SpecContext) {
		Expect(as(jane).Create(ctx, key("customers:read"))).To(Succeed())
		Expect(refusalOf(as(jane).Create(ctx, key("customers:read", "customers:write")))).To(ContainSubstring("permissions/customers:write"))
	})

	It("let an editor without a grant make no such APIKey", func(ctx SpecContext) {
		Expect(refusalOf(as(bob).Create(ctx, key("customers:read")))).To(ContainSubstring(bob + ` may not put permission "customers:read"`))
		Expect(as(bob).Create(ctx, key())).To(Succeed())
	})

	It("let editors write neither status nor roles nor policies", func(ctx SpecContext) {
		for _, resource := range []string{"apikeys/status", "apikeyroles", "apikeypolicies"} {
			out := kubectl(ctx, "auth", "can-i", "--list", "--as="+bob, "-n", storefront, "--no-headers")
			Expect(out).NotTo(MatchRegexp(`(?m)^`+resource+`\.apikey-operator\.io .*(create|update|patch|delete|\*)`), resource)
			Expect(out).To(MatchRegexp(`(?m)^apikeys\.apikey-operator\.io .*create`))
		}
	})

	It("hold APIKeys in production to the policy", func(ctx SpecContext) {
		Expect(admin.Create(ctx, newKey(storefront, valid("17520h")))).To(Succeed())
		Expect(refusalOf(admin.Create(ctx, newKey(storefront, valid("17521h"))))).To(HavePrefix(`APIKeyPolicy "production" lets a key live at most 17520h`))
	})
})
