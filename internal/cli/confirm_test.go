// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli"
)

// TestConfirmation: at a terminal each command that breaks something names what, and does it only after a yes.
func TestConfirmation(t *testing.T) {
	p := newAdministrator(t, "confirmation")
	p.must("create", "web", "--environment", "Development", "--display-name", "The Web")
	labels := map[string]string{"app": "shop"}
	if err := p.cluster.admin.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: objectMeta(p.namespace, "shop"),
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop", Env: []corev1.EnvVar{{
				Name: "KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: "web"}, Key: "api-key",
				}},
			}}}}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	before := p.key("web").ResourceVersion
	for _, command := range []string{"rotate", "suspend", "revoke", "delete"} {
		p.terminal, p.interrupt = true, ""
		for _, answer := range []string{"n\n", "\n", "no\n", "yess\n", ""} {
			r := p.answer(answer, command, "web")
			if r.code != cli.ExitUnconfirmed || r.out != "" || !strings.Contains(r.err, "nothing was changed") {
				t.Errorf("%s answered with %q: %+v", command, answer, r)
			}
			if !strings.Contains(r.err, `"The Web"`) || !strings.Contains(r.err, "never used") || !strings.Contains(r.err, "Deployment/shop") {
				t.Errorf("%s does not name what breaks: %s", command, r.err)
			}
		}
		p.interrupt = "Continue?"
		if r := p.run(command, "web"); r.code != 130 || r.out != "" || strings.Contains(r.err, "error") {
			t.Errorf("Ctrl-C at the question of %s: %+v", command, r)
		}
		p.terminal, p.interrupt = false, ""
		if r := p.answer("y\n", command, "web"); r.code != cli.ExitUnconfirmed || !strings.Contains(r.err, "--yes") {
			t.Errorf("%s without a terminal: %+v", command, r)
		}
	}
	if after := p.key("web").ResourceVersion; after != before {
		t.Errorf("the APIKey has changed from %s to %s", before, after)
	}
	p.terminal = true
	if r := p.answer("y\n", "suspend", "web"); r.code != cli.ExitDone || !p.key("web").Spec.Suspend {
		t.Errorf("suspend answered with y: %+v", r)
	}
	if r := p.answer("YES\n", "delete", "web"); r.code != cli.ExitDone {
		t.Errorf("delete answered with YES: %+v", r)
	}
}

// TestCreateAsks: at a terminal create asks, shows the YAML, and creates what it showed.
func TestCreateAsks(t *testing.T) {
	admin := newAdministrator(t, "asking")
	admin.create(&v1alpha1.APIKeyRole{
		ObjectMeta: metav1.ObjectMeta{Name: "asking-reader"},
		Spec:       v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{"customers:read", "invoices:read"}},
	})
	admin.create(&v1alpha1.APIKeyRole{
		ObjectMeta: metav1.ObjectMeta{Name: "asking-writer"},
		Spec:       v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{"orders:write"}},
	})
	rules := func(text string) { admin.allow("asked", parseRule(t, text)) }
	user := admin.newUser("asked")
	rules(`{apiGroups: [apikey-operator.io], resources: [apikeys], verbs: [create, get]}`)
	rules(`{apiGroups: [apikey-operator.io], resources: [environments], resourceNames: [Staging], verbs: [use]}`)
	rules(`{apiGroups: [apikey-operator.io], resources: [permissions], resourceNames: ["customers:read", "orders:read"], verbs: [grant]}`)
	rules(`{apiGroups: [apikey-operator.io], resources: [roles], resourceNames: ["asking-reader"], verbs: [grant]}`)
	rules(`{apiGroups: [apikey-operator.io], resources: [owners], resourceNames: ["jane@example.com"], verbs: [assign]}`)
	admin.create(&rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "asked"},
		Rules:      []rbacv1.PolicyRule{parseRule(t, `{apiGroups: [apikey-operator.io], resources: [apikeyroles], verbs: [list]}`)},
	})
	admin.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "asked"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "asked"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "asked"}},
	})
	user.terminal = true

	r := user.answer(strings.Join([]string{
		"Main Website", "Moon", "Production", "", "customers:write", "customers:read, orders:read", "asking-writer", "asking-reader", "acme, globex",
		"1y", "30d", "often", "100/1m,burst=20", "joe@example.com", "jane@example.com", "y", "",
	}, "\n"), "create", "web")
	if r.code != cli.ExitDone {
		t.Fatalf("%+v", r)
	}
	want := v1alpha1.APIKeySpec{
		DisplayName: "Main Website", Environment: "Staging", Permissions: []v1alpha1.Permission{"customers:read", "orders:read"},
		Roles: []v1alpha1.RoleName{"asking-reader"}, Customers: []v1alpha1.Customer{"acme", "globex"}, ValidFor: "720h",
		RateLimit: &v1alpha1.RateLimit{Requests: 100, Per: "1m", Burst: 20}, Owner: "jane@example.com",
	}
	if diff := cmp.Diff(want, admin.key("web").Spec); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	golden(t, "create-asks.golden", r.err+r.out)

	for answered, question := range []string{
		"Display name", "Environment", "Permissions", "Roles", "Customers", "Expires in", "Rate limit", "Owner", "Create it?",
	} {
		answers := strings.Repeat("\n", answered)
		user.interrupt = ""
		if r := user.answer(answers, "create", "never"); r.code != cli.ExitUnconfirmed || !strings.Contains(r.err, question) {
			t.Errorf("input that ends at %q: %+v", question, r)
		}
		user.interrupt = question
		if r := user.answer(answers, "create", "never"); r.code != 130 || r.out != "" || strings.Contains(r.err, "error") {
			t.Errorf("Ctrl-C at %q: %+v", question, r)
		}
	}
	user.terminal, user.interrupt = false, ""
	if r := user.run("create", "never"); r.code != cli.ExitUsage || !strings.Contains(r.err, "--environment is missing") {
		t.Errorf("without a terminal: %+v", r)
	}
	if r := admin.run("list", "-o", "name"); r.out != "apikey.apikey-operator.io/web\n" {
		t.Errorf("created %s", r.out)
	}
}

// TestDryRun changes nothing; the manifest of the client's dry run is one for Git.
func TestDryRun(t *testing.T) {
	p := newAdministrator(t, "dry-run")
	manifest := p.must(
		"create",
		"web",
		"--environment",
		"Staging",
		"--permission",
		"customers:read",
		"--expires-at",
		"2027-11-21",
		"--dry-run=client",
		"-o",
		"yaml",
	)
	golden(t, "manifest.golden", manifest)
	if out := p.must("create", "web", "--environment", "Staging", "--dry-run=server"); !strings.Contains(out, "(server dry run)") {
		t.Errorf("server dry run: %s", out)
	}
	if r := p.run(
		"create",
		"web",
		"--environment",
		"Staging",
		"--permission",
		"Customers",
		"--dry-run=server",
	); r.code != cli.ExitFailed ||
		!strings.Contains(r.err, "wildcards") {
		t.Errorf("the server's dry run checks the schema: %+v", r)
	}
	if r := p.run("reveal", "web"); r.code != cli.ExitNotFound {
		t.Errorf("a dry run has created something: %+v", r)
	}
	p.must("create", "web", "--environment", "Staging")
	before := p.key("web")
	for _, command := range []string{"rotate", "suspend", "revoke", "delete"} {
		for _, mode := range []string{"client", "server"} {
			if out := p.must(command, "web", "--dry-run="+mode); !strings.Contains(out, "dry run)") {
				t.Errorf("%s --dry-run=%s: %s", command, mode, out)
			}
		}
	}
	if after := p.key("web"); after.ResourceVersion != before.ResourceVersion {
		t.Error("a dry run has changed the APIKey")
	}
	out := p.must("suspend", "web", "--dry-run=client", "-o", "yaml")
	if !strings.Contains(out, "suspend: true") || strings.Contains(out, "status:") || strings.Contains(out, "managedFields") || strings.Contains(out, "uid:") {
		t.Errorf("not a manifest for Git:\n%s", out)
	}
	if out := p.must("list", "-o", "name"); out != "apikey.apikey-operator.io/web\n" {
		t.Errorf("-o name: %q", out)
	}
	if out := p.must("list", "-o", "jsonpath={.items[*].metadata.name}"); out != "web" {
		t.Errorf("-o jsonpath: %q", out)
	}
}
