// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var _ = Describe("The samples and the roles", Ordered, func() {
	const storefront, jane, bob = "storefront", "jane.sample@example.com", "bob.sample@example.com"

	BeforeAll(func(ctx SpecContext) {
		Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: storefront, Labels: map[string]string{"stage": "production"}}})).
			To(Succeed())
		samples := filepath.Join(root(), "config", "samples", "guardrails")
		kubectl(ctx, "apply", "--server-side", "-k", samples)
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "delete", "--ignore-not-found", "-k", samples) })
		awaitPolicies(ctx)

		// The cluster's own role edit, which kube-controller-manager fills from apikey-editor.
		for _, user := range []string{jane, bob} {
			bind(ctx, storefront, user, "edit")
		}
		for name, right := range map[string]rbacv1.PolicyRule{
			"customers-reader-granter": may("grant", "permissions", "customers:read"), "production-keys": may("use", "environments", "Production"),
		} {
			var binding rbacv1.RoleBinding
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: storefront, Name: name}, &binding)).To(Succeed())
			binding.Subjects[0].Name = jane
			Expect(admin.Update(ctx, &binding)).To(Succeed())
			awaitRight(ctx, jane, storefront, right, right.ResourceNames[0])
		}
	})

	key := func(permissions ...v1alpha1.Permission) *v1alpha1.APIKey {
		return newAPIKey(storefront, withPermissions(permissions...), rotating("720h"))
	}

	It("let an editor with the grant make an APIKey with that permission, and no other", func(ctx SpecContext) {
		Expect(as(jane).Create(ctx, key("customers:read"))).To(Succeed())
		Expect(refusalOf(as(jane).Create(ctx, key("customers:read", "customers:write")))).To(ContainSubstring("permissions/customers:write"))
	})

	It("let an editor without a grant make no such APIKey", func(ctx SpecContext) {
		elsewhere := newNamespace(ctx)
		bind(ctx, elsewhere, bob, "edit")
		inDevelopment := func(permissions ...v1alpha1.Permission) *v1alpha1.APIKey {
			return newAPIKey(elsewhere, withPermissions(permissions...), in(v1alpha1.EnvironmentDevelopment))
		}
		Expect(refusalOf(as(bob).Create(ctx, inDevelopment("customers:read")))).To(ContainSubstring(bob + ` may not put permission "customers:read"`))
		Expect(as(bob).Create(ctx, inDevelopment())).To(Succeed())
	})

	It("let an editor make keys for Development alone", func(ctx SpecContext) {
		elsewhere := newNamespace(ctx)
		bind(ctx, elsewhere, bob, "edit")
		for _, environment := range []v1alpha1.Environment{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging} {
			Expect(refusalOf(as(bob).Create(ctx, newAPIKey(elsewhere, in(environment))))).To(ContainSubstring(`"environments/` + string(environment) + `"`))
		}
		Expect(as(jane).Create(ctx, key())).To(Succeed(), "the sample allows Production")
	})

	It("let editors write neither status nor roles nor policies", func(ctx SpecContext) {
		for _, kind := range []string{"apikeys/status", "apikeyroles", "apikeypolicies"} {
			out := kubectl(ctx, "auth", "can-i", "--list", "--as="+bob, "-n", storefront, "--no-headers")
			Expect(out).NotTo(MatchRegexp(`(?m)^`+kind+`\.apikey-operator\.io .*(create|update|patch|delete|\*)`), kind)
			Expect(out).To(MatchRegexp(`(?m)^apikeys\.apikey-operator\.io .*create`))
		}
	})

	It("hold APIKeys in production to the policy", func(ctx SpecContext) {
		Expect(admin.Create(ctx, newAPIKey(storefront, valid("17520h")))).To(Succeed())
		Expect(refusalOf(admin.Create(ctx, newAPIKey(storefront, valid("17521h"))))).To(HavePrefix(`APIKeyPolicy "production" lets a key live at most 17520h`))
	})

	It("let a namespace have so many APIKeys and no more", func(ctx SpecContext) {
		quota := &corev1.ResourceQuota{}
		name := client.ObjectKey{Namespace: storefront, Name: "apikeys"}
		const counted = "count/apikeys.apikey-operator.io"
		awaitQuota := func(hard, used int64) {
			GinkgoHelper()
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, name, quota)).To(Succeed())
				now, count := quota.Status.Hard[counted], quota.Status.Used[counted]
				g.Expect([]int64{now.Value(), count.Value()}).To(Equal([]int64{hard, used}))
			}).WithTimeout(inForceTimeout).WithPolling(50 * time.Millisecond).Should(Succeed())
		}
		var apikeys v1alpha1.APIKeyList
		Expect(admin.List(ctx, &apikeys, client.InNamespace(storefront))).To(Succeed())
		used := int64(len(apikeys.Items))
		awaitQuota(100, used)
		quota.Spec.Hard[counted] = *resource.NewQuantity(used+1, resource.DecimalSI)
		Expect(admin.Update(ctx, quota)).To(Succeed())
		awaitQuota(used+1, used)
		Expect(admin.Create(ctx, key())).To(Succeed())
		Expect(admin.Create(ctx, key())).To(MatchError(ContainSubstring("exceeded quota: apikeys, requested: " + counted + "=1")))
	})

	Describe("give a pipeline grants", func() {
		const deployer = "system:serviceaccount:deployers:storefront"
		var editor client.Client // bob by himself, without an administrator behind him
		impersonating := func(user string) client.Client {
			GinkgoHelper()
			cfg, err := plane.User(bob)
			Expect(err).NotTo(HaveOccurred())
			cfg.Impersonate.UserName = user
			c, err := client.New(cfg, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
			Expect(err).NotTo(HaveOccurred())

			return c
		}
		tokenFor := func(ctx SpecContext, namespace, name string) (string, error) {
			request := &authenticationv1.TokenRequest{}
			err := editor.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, request)

			return request.Status.Token, err
		}

		BeforeAll(func(ctx SpecContext) {
			editor = impersonating("")
			awaitRight(ctx, deployer, storefront, may("grant", "permissions", "customers:read"), "customers:read")
			awaitRight(ctx, deployer, storefront, may("use", "environments", "Production"), "Production")
			var quota corev1.ResourceQuota
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: storefront, Name: "apikeys"}, &quota)).To(Succeed())
			Expect(admin.Delete(ctx, &quota)).To(Succeed())
		})

		It("that no editor of the namespace can use", func(ctx SpecContext) {
			Expect(as(deployer).Create(ctx, key("customers:read"))).To(Succeed())
			Expect(refusalOf(editor.Create(ctx, key("customers:read")))).To(HavePrefix(bob + " may not"))
			Expect(impersonating(deployer).Create(ctx, key("customers:read"))).To(MatchError(ContainSubstring("cannot impersonate")))
			_, err := tokenFor(ctx, "deployers", "storefront")
			Expect(err).To(MatchError(apierrors.IsForbidden, "forbidden"))
			Expect(editor.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: storefront, Name: "mine"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "customers-reader-granter"},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: bob}},
			})).To(MatchError(apierrors.IsForbidden, "forbidden"))
		})

		It("which an account in the namespace itself gives to every editor", func(ctx SpecContext) {
			const account = "deployer"
			Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: storefront, Name: account}})).To(Succeed())
			user := "system:serviceaccount:" + storefront + ":" + account
			allow(ctx, user, storefront, mayEdit, may("grant", "permissions", "customers:read"), may("use", "environments", "Production"))
			Expect(impersonating(user).Create(ctx, key("customers:read"))).To(Succeed())
			Expect(tokenFor(ctx, storefront, account)).NotTo(BeEmpty())
		})
	})
})

// bind gives a user one of the cluster's own roles in a namespace, which includes apikey-editor.
func bind(ctx context.Context, namespace, user, role string) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "bound-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
	awaitRight(ctx, user, namespace, may("create", "apikeys"), "")
	awaitRight(ctx, user, namespace, may("use", "environments", "Development"), "Development")
}

// in puts an APIKey in an environment.
func in(environment v1alpha1.Environment) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Spec.Environment = environment }
}
