// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestNamespaces runs a verifier with --namespaces and the rights of the overlay. It accepts the keys of these namespaces only, follows their
// changes, lists each of them again after an outage, and reports that the watch of one of them is broken.
func TestNamespaces(t *testing.T) {
	audit, err := testkit.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plane := testkit.StartFor(t, testkit.Options{APIServerArgs: audit.Args()})
	plane.RunOperatorFor(t)
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	applyRights(t, admin, "config/overlays/namespaces", "team-a", "team-b")
	const user = "system:serviceaccount:apikey-operator-system:apikey-operator-verifier"
	kubeconfig, err := plane.Kubeconfig(user, "system:serviceaccounts")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	_, elsewhere := mintKey(t, admin, "elsewhere")
	first, inFirst := mintKeyIn(t, admin, "team-a", "a")
	_, inSecond := mintKeyIn(t, admin, "team-b", "b")
	v := startInstance(t, nil, "--namespaces=team-a,team-b", "--max-staleness=10s")
	eventually(t, "ready", v.ready)
	v.expect(t, inFirst, http.StatusOK)
	v.expect(t, inSecond, http.StatusOK)
	v.expect(t, elsewhere, http.StatusUnauthorized)
	revoke(t, admin, first)
	v.expect(t, inFirst, http.StatusUnauthorized)
	v.expect(t, inSecond, http.StatusOK)
	eventually(t, "the watches are up", func(ctx context.Context) bool {
		return v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeys"}`) == 1
	})
	requests, err := audit.Requests(user)
	if err != nil {
		t.Fatal(err)
	}
	if refused := testkit.Forbidden(requests); len(refused) > 0 {
		t.Errorf("the rights are not enough: %v", refused)
	}
	v.mayFail = true // the last use of the key in team-b cannot be written
	if err := admin.Delete(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "apikey-operator-verifier-rolebinding"},
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one of the watches is down", func(ctx context.Context) bool {
		return v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeys"}`) == 0
	})
}

// expect waits until the verifier answers a key with a code.
func (v *instance) expect(t *testing.T, key string, code int) {
	t.Helper()
	eventually(t, http.StatusText(code), func(ctx context.Context) bool { return v.overHTTP(ctx, key) == code })
}

// applyRights creates the roles and bindings of a folder, and the namespaces that they are for.
func applyRights(t *testing.T, admin client.Client, folder string, namespaces ...string) {
	t.Helper()
	var objects []client.Object
	for _, name := range append(namespaces, "apikey-operator-system") {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, role := range testkit.Manifests[rbacv1.Role](t, folder, "Role") {
		objects = append(objects, &role)
	}
	for _, role := range testkit.Manifests[rbacv1.ClusterRole](t, folder, "ClusterRole") {
		objects = append(objects, &role)
	}
	for _, binding := range testkit.Manifests[rbacv1.RoleBinding](t, folder, "RoleBinding") {
		objects = append(objects, &binding)
	}
	for _, binding := range testkit.Manifests[rbacv1.ClusterRoleBinding](t, folder, "ClusterRoleBinding") {
		objects = append(objects, &binding)
	}
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
