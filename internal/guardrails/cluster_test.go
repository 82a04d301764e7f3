// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func root() string {
	GinkgoHelper()
	root, err := testkit.Root()
	Expect(err).NotTo(HaveOccurred())

	return root
}

// kubectl runs kubectl as the administrator and returns what it prints.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	kubeconfig, err := plane.Kubeconfig("kubectl", "system:masters")
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(ctx, plane.Program("kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Stderr = GinkgoWriter
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred(), "kubectl %s", strings.Join(args, " "))

	return string(out)
}

// mayEdit is what apikey-editor allows, in every environment.
var mayEdit = rbacv1.PolicyRule{
	APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys", "environments"},
	Verbs: []string{"create", "delete", "get", "patch", "update", "use"},
}

// may is a rule on resources of this project.
func may(verb, resource string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{resource}, ResourceNames: names, Verbs: []string{verb}}
}

// allow gives a user rules in a namespace and waits until the API server knows them.
func allow(ctx context.Context, user, namespace string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "allowed-"}, Rules: rules}
	Expect(admin.Create(ctx, role)).To(Succeed())
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
	for _, rule := range rules {
		for _, name := range append(rule.ResourceNames, "")[:max(1, len(rule.ResourceNames))] {
			awaitRight(ctx, user, namespace, rule, name)
		}
	}
}

// awaitRight waits until the API server knows the first right of a rule.
func awaitRight(ctx context.Context, user, namespace string, rule rbacv1.PolicyRule, name string) {
	GinkgoHelper()
	resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
	Eventually(func(g Gomega) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: subresource, Name: name,
			},
		}}
		g.Expect(admin.Create(ctx, review)).To(Succeed())
		g.Expect(review.Status.Allowed).To(BeTrue(), fmt.Sprint(rule))
	}).WithTimeout(inForceTimeout).WithPolling(5 * time.Millisecond).Should(Succeed())
}
