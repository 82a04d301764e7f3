// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net/http"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestRoleIsEnoughAndNoMore runs a verifier with the role of its manifests. By the audit log, none of its requests is refused, and
// each right of the role is used.
func TestRoleIsEnoughAndNoMore(t *testing.T) {
	audit, err := testkit.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plane := testkit.StartFor(t, testkit.Options{APIServerArgs: audit.Args()})
	install(t, plane)
	plane.RunOperatorFor(t)
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig(verifierUser, "system:serviceaccounts", "system:serviceaccounts:system")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	v := startInstance(t, nil, "--metrics-secure=true")
	eventually(t, "ready", v.ready)
	key, text := mintKey(t, admin, "used")
	eventually(t, "an allowed request", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusOK })
	maySeeMetrics(t, admin, "scraper")
	v.expectScrape(t, http.StatusOK, bearer(tokenOf(t, admin, "scraper")))
	revoke(t, admin, key)
	eventually(t, "a refused request", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusUnauthorized })
	if err := v.stop(); err != nil { // writes the use
		t.Fatal(err)
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(key), key); err != nil || key.Status.LastUsedAt == nil {
		t.Errorf("no use was written: %v", err)
	}

	requests, err := audit.Requests(verifierUser)
	if err != nil {
		t.Fatal(err)
	}
	if refused := testkit.Forbidden(requests); len(refused) > 0 {
		t.Errorf("the role lacks rights: %v", refused)
	}
	var role rbacv1.ClusterRole
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "verifier-role"}, &role); err != nil {
		t.Fatal(err)
	}
	if unused := testkit.Unused(role.Rules, requests); len(unused) > 0 {
		t.Errorf("unused rights: %q", unused)
	}
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			if group == "" || group == "*" {
				t.Errorf("the rule %v is about more than %s", rule, v1alpha1.GroupName)
			}
		}
	}
}
