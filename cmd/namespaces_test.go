// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The overlay for an operator and a verifier with --namespaces, and the namespaces that it names.
const namespacesOverlay = "config/overlays/namespaces"

func watchedNamespaces() []string { return []string{"team-a", "team-b"} }

// TestNamespaces runs two managers with --namespaces and the rights of the overlay through every flow, in each of the namespaces. An APIKey
// of another namespace has no effect.
func TestNamespaces(t *testing.T) {
	audit, err := testkit.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true, APIServerArgs: audit.Args()})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range watchedNamespaces() {
		if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	plane.InstallFor(t, namespacesOverlay, "team-a")
	kubeconfig, err := plane.Kubeconfig(operatorUser, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	flag := "--namespaces=" + strings.Join(watchedNamespaces(), ",")
	for _, replica := range []*replica{start(t, flag), start(t, flag)} {
		replica.eventually(t, "http://"+replica.probes+"/readyz", "", http.StatusOK)
	}
	elsewhere := (&flows{t: t, admin: admin, namespace: "default"}).key("elsewhere", func(*v1alpha1.APIKeySpec) {})
	for _, name := range watchedNamespaces() {
		f := &flows{t: t, admin: admin, namespace: name}
		f.live()
		f.end()
		f.conflict()
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(elsewhere), elsewhere); err != nil || elsewhere.Status.ObservedGeneration > 0 {
		t.Errorf("the operator has acted on an APIKey of another namespace: %v, %+v", err, elsewhere.Status)
	}
	requests, err := audit.Requests(operatorUser)
	if err != nil {
		t.Fatal(err)
	}
	if refused := testkit.Forbidden(requests); len(refused) > 0 {
		t.Errorf("the roles lack rights: %v", refused)
	}
	for _, name := range watchedNamespaces() {
		there := slices.DeleteFunc(slices.Clone(requests), func(r testkit.AuditedRequest) bool { return r.Namespace != name })
		for _, right := range testkit.Unused(roleIn(t, name, "apikey-operator-manager-role"), there) {
			if _, needed := usedElsewhere[right]; !needed {
				t.Errorf("the role in %s gives a right that is not used: %s", name, right)
			}
		}
	}
	mayTouchSecretsIn(t, plane, watchedNamespaces())
}

// mayTouchSecretsIn fails if the operator has no right to Secrets in these namespaces, or has one elsewhere, or if the verifier has any.
func mayTouchSecretsIn(t *testing.T, plane *testkit.ControlPlane, namespaces []string) {
	t.Helper()
	for user, allowed := range map[string][]string{
		operatorUser: namespaces,
		"system:serviceaccount:" + namespace + ":apikey-operator-verifier": nil,
	} {
		cfg, err := plane.User(user, "system:serviceaccounts")
		if err != nil {
			t.Fatal(err)
		}
		account, err := client.New(cfg, client.Options{Scheme: testkit.Scheme()})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []string{"team-a", "team-b", "default", namespace, metav1.NamespaceAll} {
			for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete"} {
				review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
					ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: in, Verb: verb, Resource: "secrets"},
				}}
				if err := account.Create(t.Context(), review); err != nil {
					t.Fatal(err)
				}
				if want := slices.Contains(allowed, in) && verb != "patch"; review.Status.Allowed != want {
					t.Errorf("%s may %s secrets in namespace %q: %t, want %t", user, verb, in, review.Status.Allowed, want)
				}
			}
		}
	}
}

// TestNamespacesOverlayDividesTheRights: the rights of the overlay in a namespace, and those to the cluster, are together the rights of
// config/default.
func TestNamespacesOverlayDividesTheRights(t *testing.T) {
	for _, account := range []string{account, "apikey-operator-verifier"} {
		whole, divided := rightsOf(rulesOf(t, "config/default", account)), rightsOf(rulesOf(t, namespacesOverlay, account))
		for right := range whole {
			if _, ok := divided[right]; !ok {
				t.Errorf("%s lacks %s in %s", account, right, namespacesOverlay)
			}
		}
		for right := range divided {
			if _, ok := whole[right]; !ok {
				t.Errorf("%s has %s only in %s", account, right, namespacesOverlay)
			}
		}
	}
}

// rightsOf returns each right of some rules, such as "get secrets in group".
func rightsOf(rules []rbacv1.PolicyRule) map[string]struct{} {
	rights := map[string]struct{}{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					rights[verb+" "+resource+" in group "+group] = struct{}{}
				}
			}
		}
	}

	return rights
}

// roleIn returns the rules of a Role of the overlay.
func roleIn(t *testing.T, namespace, name string) []rbacv1.PolicyRule {
	t.Helper()
	for _, role := range testkit.Manifests[rbacv1.Role](t, namespacesOverlay, "Role") {
		if role.Namespace == namespace && role.Name == name {
			return role.Rules
		}
	}
	t.Fatalf("%s has no Role %s in namespace %s", namespacesOverlay, name, namespace)

	return nil
}
