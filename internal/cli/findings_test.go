// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestExplain tells the answer and the change that makes a request pass, by name and by key.
func TestExplain(t *testing.T) {
	p := newAdministrator(t, "explain")
	p.must("create", "web", "--environment", "Staging", "--permission", "customers:read", "--customer", "acme")
	key := p.must("reveal", "web")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		input string
		args  []string
		code  int
		says  []string
	}{
		"by name": {"", []string{"web", "--permission", "customers:read"}, cli.ExitDone, []string{"Answer: 200 allowed"}},
		"by standard input": {
			key + "\n",
			[]string{"-", "--environment", "staging"},
			cli.ExitDone,
			[]string{"apikey explain/web", "Answer: 200 allowed"},
		},
		"by file":          {"", []string{"--key-file", file, "--environment", "Staging"}, cli.ExitDone, []string{"Answer: 200 allowed"}},
		"in one namespace": {"", []string{"web", "--here"}, cli.ExitDone, []string{"Answer: 200 allowed"}},
		"another environment": {
			"",
			[]string{"web", "--environment", "Production"},
			cli.ExitFindings,
			[]string{"401 wrong_environment", "create web-production --environment Production"},
		},
		"another permission": {
			"",
			[]string{"web", "--permission", "orders:read"},
			cli.ExitFindings,
			[]string{"403 permission_denied", `{"spec":{"permissions":["customers:read","orders:read"]}}`},
		},
		"another customer": {
			"",
			[]string{"web", "--customer", "globex"},
			cli.ExitFindings,
			[]string{"403 customer_denied", `{"spec":{"customers":["acme","globex"]}}`},
		},
		"nothing sent": {"", []string{"-", "--environment", "Staging"}, cli.ExitFindings, []string{"401 missing"}},
		"a key of another place": {
			testkit.ForeignKey(),
			[]string{"-", "--environment", "Production"},
			cli.ExitFindings,
			[]string{"401 unknown", "belongs to another cluster"},
		},
		"a mistyped key":           {key[:len(key)-1], []string{"-", "--environment", "Staging"}, cli.ExitFindings, []string{"401 malformed"}},
		"no environment":           {key, []string{"-"}, cli.ExitFindings, []string{"500 misconfigured"}},
		"an APIKey that is absent": {"", []string{"absent"}, cli.ExitNotFound, []string{"not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.answer(test.input, append([]string{"explain"}, test.args...)...)
			if r.code != test.code {
				t.Errorf("exit code %d, want %d", r.code, test.code)
			}
			for _, says := range test.says {
				if !strings.Contains(r.out+r.err, says) {
					t.Errorf("does not say %q:\n%s%s", says, r.out, r.err)
				}
			}
			if strings.Contains(r.out+r.err, key[:20]) {
				t.Error("the key is printed")
			}
		})
	}
	p.must("suspend", "web", "--yes")
	p.awaitPhase("web", v1alpha1.PhaseSuspended)
	r := p.run("explain", "web", "--permission", "orders:read")
	golden(t, "explain.golden", r.out+r.err)
}

// TestLeaked finds keys in text, tells whose they are, and stops them.
func TestLeaked(t *testing.T) {
	p := newAdministrator(t, "leaked")
	p.must("create", "web", "--environment", "Staging", "--permission", "customers:read", "--owner", "jane@example.com")
	key := p.must("reveal", "web")
	text := "a log line\nX-API-Key: " + key + "\nand " + testkit.ForeignKey() + " and " + key + "\n"
	file := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.answer(text, "leaked", "-")
	if r.code != cli.ExitFindings || !strings.Contains(r.out, "stdin:2") || !strings.Contains(r.out, "jane@example.com") ||
		!strings.Contains(r.out, "works") || !strings.Contains(r.out, "unknown here") || strings.Contains(r.out+r.err, key) {
		t.Errorf("leaked -: %d\n%s%s", r.code, strings.ReplaceAll(r.out, key, "KEY"), r.err)
	}
	if r := p.answer("nothing\n", "leaked", "-"); r.code != cli.ExitDone || !strings.Contains(r.err, "No key found") {
		t.Errorf("text without a key: %+v", r)
	}
	if r := p.answer(text, "leaked", "-", "--rotate"); r.code != cli.ExitUnconfirmed || !strings.Contains(r.err, "--yes") {
		t.Errorf("--rotate without --yes: %+v", r)
	}
	p.terminal = true
	if r := p.answer("n\n", "leaked", file, "--rotate"); r.code != cli.ExitUnconfirmed {
		t.Errorf("--rotate answered with n: %+v", r)
	}
	if got := p.must("reveal", "web", "--show"); got != key+"\n" {
		t.Error("the key has changed without a yes")
	}
	if r := p.answer("y\n", "leaked", file, "--rotate"); r.code != cli.ExitFindings || !strings.Contains(r.err, "rotation requested") {
		t.Errorf("--rotate answered with y: %+v", r)
	}
	p.terminal = false
	p.eventually("the leaked key is gone", func(ctx context.Context) bool {
		var apikey v1alpha1.APIKey
		err := p.cluster.admin.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: "web"}, &apikey)

		return err == nil && len(apikey.Status.Keys) == 1 && apikey.Status.Keys[0].Digest != keys.DigestOf(key).String()
	})
	fresh := p.must("reveal", "web")
	if r := p.answer(fresh, "leaked", "-", "--revoke", "--yes"); r.code != cli.ExitFindings || !p.key("web").Spec.Revoked {
		t.Errorf("--revoke --yes: %+v", r)
	}
}

// TestAudit reports as a table, as JSON and as SARIF.
func TestAudit(t *testing.T) {
	p := newAdministrator(t, "audit")
	p.must("create", "good", "--environment", "Development", "--owner", "jane@example.com", "--expires-in", "365d")
	p.must("create", "forever", "--environment", "Development", "--owner", "jane@example.com")
	p.must("create", "broad", "--environment", "Production", "--permission", "a,b,c", "--expires-in", "10d")
	p.must("create", "ended", "--environment", "Production")
	p.must("revoke", "ended", "--yes")
	p.awaitPhase("ended", v1alpha1.PhaseRevoked)
	golden(t, "audit.golden", p.must("audit", "--max-permissions", "2"))
	var findings []struct{ Rule, Namespace, Name, Message string }
	if err := json.Unmarshal([]byte(p.must("audit", "-o", "json", "--rule", "no-expiry")), &findings); err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || findings[0].Name != "forever" || findings[0].Rule != "no-expiry" {
		t.Errorf("JSON: %+v", findings)
	}
	golden(t, "audit.sarif.golden", p.must("audit", "-o", "sarif", "--rule", "no-expiry,no-owner"))
	if r := p.run("audit", "--fail", "--rule", "no-expiry"); r.code != cli.ExitFindings {
		t.Errorf("--fail: %+v", r)
	}
	if r := p.run("audit", "--rule", "nonsense"); r.code != cli.ExitUsage {
		t.Errorf("an unknown rule: %+v", r)
	}
	if out := p.must("audit", "-o", "json", "--rule", "unused"); out != "[]\n" {
		t.Errorf("no finding: %q", out)
	}
}

// TestDescribe tells settings, timeline, policies and grants, and escapes what a terminal would act on.
func TestDescribe(t *testing.T) {
	p := newAdministrator(t, "describe")
	p.create(&v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "describe-only"}, Spec: v1alpha1.APIKeyPolicySpec{
		NamespaceSelector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": "describe"}},
		Expiry:            &v1alpha1.ExpiryPolicy{Default: "8760h"},
	}})
	p.must("create", "web", "--environment", "Staging", "--permission", "customers:read", "--display-name", "The Web")
	apikey := p.key("web")
	if err := p.cluster.admin.Create(t.Context(), &corev1.Event{
		ObjectMeta: objectMeta(p.namespace, "evil"), Type: "Warning", Reason: "Evil", Message: "a\x1b[2Jb\nStatus: fine",
		InvolvedObject: corev1.ObjectReference{Kind: "APIKey", Namespace: p.namespace, Name: "web", UID: apikey.UID},
		LastTimestamp:  metav1.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	out := p.must("describe", "web")
	for _, says := range []string{
		"The Web", "key " + apikey.Status.Keys[0].ID + " minted", "APIKeyPolicy describe-only", `a\u001b[2Jb\u000aStatus: fine`,
		"You have all that this key needs", "expiry",
	} {
		if !strings.Contains(out, says) {
			t.Errorf("does not say %q", says)
		}
	}
	if strings.ContainsRune(out, '\x1b') || t.Failed() {
		t.Errorf("printed\n%q", out)
	}
	user := p.newUser("describer", parseRule(t, `{apiGroups: ["apikey-operator.io"], resources: [apikeys], verbs: [get]}`))
	p.allow("granter", parseRule(t, `{apiGroups: ["apikey-operator.io"], resources: [permissions], resourceNames: ["customers:read"], verbs: [grant]}`))
	r := user.run("describe", "web")
	for _, says := range []string{
		"You lack grant on permissions/customers:read", "may not see who has it", "Events are left out", `verbs: ["list"]`,
		"You may not list APIKeyRole",
	} {
		if !strings.Contains(r.out, says) {
			t.Errorf("a user with little rights is not told %q:\n%s%s", says, r.out, r.err)
		}
	}
	p.allow("describer", parseRule(t, `{apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [list]}`))
	p.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "describer-2"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "describer-2"}},
	})
	second := p.newUser("describer-2")
	if out := second.must("describe", "web"); !strings.Contains(out, "You have all") {
		t.Errorf("a cluster administrator lacks a grant:\n%s", out)
	}
}

// TestVersion tells the plugin's version without a cluster, and what is installed with one.
func TestVersion(t *testing.T) {
	offline := &person{t: t, kubeconfig: "/nonexistent", namespace: "none"}
	if out := offline.must("version", "--client"); !strings.HasPrefix(out, "plugin:   test (commit ") {
		t.Errorf("version --client: %q", out)
	}
	if out := offline.must("version", "--client", "-o", "yaml"); !strings.Contains(out, "plugin:\n") || !strings.Contains(out, "  version: test\n") {
		t.Errorf("version --client -o yaml: %q", out)
	}
	if out := offline.must("--version"); !strings.Contains(out, "test (commit ") {
		t.Errorf("--version: %q", out)
	}
	if r := offline.run("version", "-o", "wide"); r.code != cli.ExitUsage {
		t.Errorf("version -o wide: %+v", r)
	}
	p := newAdministrator(t, "version")
	out := p.must("version")
	for _, says := range []string{
		"manager:  dev (ghcr.io/apikey-operator/apikey-operator:dev, 0 of 2 ready, namespace apikey-operator-system)\n", "verifier: dev (",
	} {
		if !strings.Contains(out, says) {
			t.Errorf("does not say %q: %s", says, out)
		}
	}
	for _, shell := range []string{"kubectl", "bash", "zsh", "fish"} {
		if out := offline.must("completion", shell); !strings.Contains(out, "kubectl") {
			t.Errorf("completion %s: %s", shell, out)
		}
	}
	p.must("create", "web", "--environment", "Development")
	if out := p.must("__complete", "suspend", ""); !strings.Contains(out, "web\n") {
		t.Errorf("completion of names: %s", out)
	}
}
