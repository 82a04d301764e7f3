// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/installation"
)

// short is a limit for what never comes about.
const short = 5 * time.Second

// names are those of all guardrails.
func names() []string {
	var found []string
	for _, guardrail := range guardrails.All(guardrails.ServiceAccount{}, guardrails.ServiceAccount{}) {
		found = append(found, guardrail.Name)
	}

	return found
}

// awaitGuardrails waits with a limit.
func awaitGuardrails(ctx context.Context, config *rest.Config, limit time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	return installation.AwaitGuardrails(ctx, config)
}

// inBackground runs a wait beside the spec.
func inBackground(wait func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- wait() }()

	return done
}

// answer checks, with requests of the spec's own, that the guardrails answer at once and not only now and then.
func answer(ctx context.Context) {
	GinkgoHelper()
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey", Name: "main-website", UID: "u", Controller: new(true),
		}}},
		Type: v1alpha1.SecretType,
	}
	for range 20 {
		Expect(admin.Create(ctx, apikey.DeepCopy(), client.DryRunAll)).To(Succeed())
		Expect(admin.Create(ctx, secret.DeepCopy(), client.DryRunAll)).To(MatchError(apierrors.IsForbidden, "forbidden"))
	}
}

var _ = Describe("Waiting for the guardrails", Ordered, func() {
	AfterEach(func(ctx SpecContext) { Expect(leftovers(ctx)).To(BeEmpty()) })

	It("lasts until the CRDs have come, which come after the policies", func(ctx SpecContext) {
		create(ctx, policies()...)
		_, err := awaitGuardrails(ctx, plane.Config, short)
		Expect(err).To(MatchError(ContainSubstring("CRD of APIKey: no matches for kind")))
		done := inBackground(func() error { _, err := awaitGuardrails(ctx, plane.Config, patience); return err })
		create(ctx, crds()...)
		Eventually(done).WithTimeout(patience).Should(Receive(Succeed()))
		answer(ctx)
	}, NodeTimeout(2*patience))

	It("lasts until the kind of the parameters is back", func(ctx SpecContext) {
		crd := crdOf("APIKeyPolicy")
		destroy(ctx, crd)
		_, err := awaitGuardrails(ctx, plane.Config, short)
		Expect(err).To(MatchError(ContainSubstring("guardrail limits: ")))
		done := inBackground(func() error { _, err := awaitGuardrails(ctx, plane.Config, patience); return err })
		create(ctx, crd)
		Eventually(done).WithTimeout(patience).Should(Receive(Succeed()))
		answer(ctx)
	}, NodeTimeout(2*patience))

	It("lasts until the kind of the APIKeys is back", func(ctx SpecContext) {
		crd := crdOf("APIKey")
		destroy(ctx, crd)
		done := inBackground(func() error { _, err := awaitGuardrails(ctx, plane.Config, patience); return err })
		create(ctx, crd)
		Eventually(done).WithTimeout(patience).Should(Receive(Succeed()))
		answer(ctx)
	}, NodeTimeout(2*patience))

	for _, name := range names() {
		It("ends at its limit and names "+name+", which never answers", func(ctx SpecContext) {
			bound := binding(ctx, name)
			before := bound.DeepCopy()
			bound.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Warn} // refuses nothing
			Expect(admin.Update(ctx, bound)).To(Succeed())
			Eventually(func() error { _, err := awaitGuardrails(ctx, plane.Config, short); return err }).WithTimeout(patience).
				Should(MatchError(ContainSubstring("guardrail " + name + ": a request that it must refuse was accepted")))
			_, err := awaitGuardrails(ctx, plane.Config, short)
			Expect(err).To(MatchError(context.DeadlineExceeded))
			for _, other := range names() {
				if other != name {
					Expect(err).NotTo(MatchError(ContainSubstring("guardrail " + other)))
				}
			}
			bound.Spec = before.Spec
			Expect(admin.Update(ctx, bound)).To(Succeed())
			Expect(awaitGuardrails(ctx, plane.Config, patience)).To(BeEmpty())
		}, NodeTimeout(3*patience))
	}

	It("names a guardrail that is not installed", func(ctx SpecContext) {
		for _, policy := range policies() {
			if policy.GetLabels()[guardrails.Label] == "plaintext" {
				destroy(ctx, policy)
			}
		}
		_, err := awaitGuardrails(ctx, plane.Config, short)
		Expect(err).To(MatchError(ContainSubstring("guardrail plaintext: no ValidatingAdmissionPolicy has the label apikey-operator.io/guardrail=plaintext")))
		create(ctx, policies()...)
		Expect(awaitGuardrails(ctx, plane.Config, patience)).To(BeEmpty())
	}, NodeTimeout(2*patience))

	It("ends when it is interrupted, and leaves nothing behind", func(ctx SpecContext) {
		bound := binding(ctx, "status") // it does not come about, so temporary objects are there
		Expect(admin.Delete(ctx, bound)).To(Succeed())
		interrupted, interrupt := context.WithCancelCause(ctx)
		done := inBackground(func() error { _, err := installation.AwaitGuardrails(interrupted, plane.Config); return err })
		Eventually(func() []string { return leftovers(ctx) }).WithTimeout(patience).ShouldNot(BeEmpty())
		why := errors.New("Ctrl-C")
		interrupt(why)
		Eventually(done).WithTimeout(patience).Should(Receive(MatchError(why)))
		Expect(leftovers(ctx)).To(BeEmpty())
		create(ctx, policies()...)
		Expect(awaitGuardrails(ctx, plane.Config, patience)).To(BeEmpty())
	}, NodeTimeout(2*patience))

	It("needs an existing APIKey no more than a policy that refuses others", func(ctx SpecContext) {
		strict := &v1alpha1.APIKeyPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "strict"},
			Spec:       v1alpha1.APIKeyPolicySpec{Environments: []v1alpha1.Environment{v1alpha1.EnvironmentProduction}},
		}
		apikey := &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "before-the-policy"},
			Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
		}
		Expect(admin.Create(ctx, strict)).To(Succeed())
		Eventually(func() ([]string, error) { return awaitGuardrails(ctx, plane.Config, patience) }).WithTimeout(patience).
			Should(ContainElement(ContainSubstring("apikey-operator-limits refuses")))
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		notes, err := awaitGuardrails(ctx, plane.Config, patience)
		Expect(err).NotTo(HaveOccurred())
		for _, note := range notes {
			Expect(note).NotTo(Or(HavePrefix("guardrail status"), HavePrefix("guardrail plaintext"), HavePrefix("guardrail secrets")))
		}
		Expect(admin.Delete(ctx, apikey)).To(Succeed())
		Expect(admin.Delete(ctx, strict)).To(Succeed())
		Eventually(func() ([]string, error) { return awaitGuardrails(ctx, plane.Config, patience) }).WithTimeout(patience).Should(BeEmpty())
	}, NodeTimeout(4*patience))

	It("takes no more rights than the author of an installation has", func(ctx SpecContext) {
		for user, note := range map[string]string{"installer-with-grants": "may not impersonate", "installer-without-grants": ""} {
			config := installer(ctx, user, note != "")
			notes, err := awaitGuardrails(ctx, config, patience)
			Expect(err).NotTo(HaveOccurred())
			if note == "" {
				Expect(notes).To(ConsistOf(HavePrefix("guardrail operator: ")))
			} else {
				Expect(notes).To(ConsistOf(
					And(HavePrefix("guardrail grants: "), ContainSubstring(note)),
					And(HavePrefix("guardrail operator: "), ContainSubstring(note))))
			}
		}
	}, NodeTimeout(2*patience))
})

var _ = Describe("Waiting for the end of the guardrails", func() {
	It("lasts while one refuses", func(ctx SpecContext) {
		create(ctx, append(policies(), crds()...)...)
		Expect(awaitGuardrails(ctx, plane.Config, patience)).To(BeEmpty())
		limited, cancel := context.WithTimeout(ctx, short)
		defer cancel()
		Expect(installation.AwaitRemoval(limited, plane.Config)).To(MatchError(ContainSubstring("apikey-operator-secrets")))
		destroy(ctx, policies()...)
		Expect(installation.AwaitRemoval(ctx, plane.Config)).To(Succeed())
		destroy(ctx, crds()...)
		Expect(installation.AwaitRemoval(ctx, plane.Config)).To(Succeed())
	}, NodeTimeout(3*patience))
})

// installer is a user with the rights to install config/default, and with every grant or with none.
func installer(ctx context.Context, name string, grants bool) *rest.Config {
	GinkgoHelper()
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"*"}},
		{
			APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys", "apikeys/status", "apikeypolicies", "apikeyroles"},
			Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"},
		},
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"environments"}, Verbs: []string{"use"}}, // an APIKey for one is to pass
	}
	if grants {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"*"}, Verbs: []string{"*"}})
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	Expect(admin.Create(ctx, role)).To(Succeed())
	Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})).To(Succeed())
	config, err := plane.User(name)
	Expect(err).NotTo(HaveOccurred())

	return config
}
