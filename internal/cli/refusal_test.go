// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// TestKeyAsArgument refuses a key anywhere on the command line, before anything is sent, and does not repeat it.
func TestKeyAsArgument(t *testing.T) {
	p := &person{t: t, kubeconfig: "/nonexistent", namespace: "none"}
	key := testkit.ForeignKey()
	for _, args := range [][]string{
		{key}, {"explain", key}, {"reveal", key}, {"list", "-l", "a=" + key}, {"create", key}, {"create", "web", "--display-name=" + key},
		{"rename", "web", "my key " + key}, {"rotate", "--" + key}, {"leaked", "-", key}, {"list", "--token", key}, {"delete", "web", key[:len(key)-4]},
		{"__complete", "reveal", key},
	} {
		r := p.run(args...)
		if r.code != cli.ExitUsage || !strings.Contains(r.err, "standard input") || !strings.Contains(r.err, "rotate") {
			t.Errorf("%s: exit code %d, %q", args[0], r.code, strings.ReplaceAll(r.err, key, "KEY"))
		}
		if strings.Contains(r.out+r.err, key[8:30]) {
			t.Errorf("%s repeats the key", args[0])
		}
	}
}

// TestUsage refuses command lines that make no sense with exit code 2, and says how they are meant.
func TestUsage(t *testing.T) {
	p := &person{t: t, kubeconfig: "/nonexistent", namespace: "none"}
	for _, test := range []struct {
		args string
		says string
	}{
		{"lst", `unknown command "lst"`},
		{"list x", `unexpected argument "x"`},
		{"list --no-such", "unknown flag: --no-such"},
		{"list --status Dead", "must be one of Pending, Active"},
		{"list --expiring soon", "write days as 30d"},
		{"list --unused -3h", "write days as 30d"},
		{"list -l a=b=c", "-l"},
		{"create", "one name"},
		{"create a b", "one name"},
		{"create a", "--environment is missing"},
		{"create a --environment Moon", "must be one of Production"},
		{"create a --environment Staging --rate-limit 5", "100/1m"},
		{"create a --environment Staging --expires-in 1y", "write days as 30d"},
		{"create a --environment Staging --expires-at tomorrow", "2027-11-21"},
		{"create a --environment Staging --expires-at 2027-01-01 --expires-in 1h", "cannot both be set"},
		{"create a --environment Staging --dry-run=maybe", "none, client or server"},
		{"rotate", "name the APIKeys"},
		{"rotate a -l b=c", "name the APIKeys"},
		{"rotate a --overlap 31d --yes", "0s to 720h"},
		{"rotate a --overlap 1.5s --yes", "0s to 720h"},
		{"rename a", "display name"},
		{"reveal", "name one APIKey"},
		{"revoke", "name the APIKeys"},
	} {
		r := p.run(strings.Fields(test.args)...)
		if r.code != cli.ExitUsage || !strings.Contains(r.err, test.says) {
			t.Errorf("%s: exit code %d, %q", test.args, r.code, r.err)
		}
	}
	if r := p.run("list"); r.code != cli.ExitFailed || !strings.Contains(r.err, "kubeconfig") {
		t.Errorf("a kubeconfig that is not there: %+v", r)
	}
}

// TestLittleRBAC: each refusal names the rule that is missing, and with that rule and no other the command goes on.
func TestLittleRBAC(t *testing.T) {
	admin := newAdministrator(t, "little-rbac")
	admin.must("create", "web", "--environment", "Development")
	for _, test := range []struct {
		args  []string
		rules int
	}{
		{[]string{"list"}, 1},
		{[]string{"reveal", "web"}, 2},
		{[]string{"rename", "web", "Web"}, 2},
		{[]string{"rotate", "web", "--yes"}, 3},
		{[]string{"suspend", "web", "--yes"}, 2},
		{[]string{"resume", "web"}, 3},
		{[]string{"create", "other", "--environment", "Staging", "--permission", "customers:read", "--wait=false"}, 3},
		{[]string{"delete", "other", "--yes"}, 2},
		{[]string{"revoke", "web", "--yes"}, 2},
	} {
		t.Run(test.args[0], func(t *testing.T) {
			p := &person{t: t, cluster: admin.cluster, namespace: admin.namespace, kubeconfig: admin.kubeconfig}
			name := "user-" + test.args[0]
			user := p.newUser(name)
			var rules []string
			r := user.run(test.args...)
			for r.code == cli.ExitForbidden && len(rules) < 10 {
				rule := ruleIn(r.err)
				if rule == "" || !strings.Contains(r.err, name) || slices.Contains(rules, rule) && len(rules) > 5 {
					t.Fatalf("names no new rule: %s", r.err)
				}
				if !slices.Contains(rules, rule) {
					rules = append(rules, rule)
					p.allow(name, parseRule(t, rule))
				}
				r = user.run(test.args...)
			}
			if r.code != cli.ExitDone || len(rules) != test.rules {
				t.Errorf("exit code %d after the rules\n%s\n%s", r.code, strings.Join(rules, "\n"), r.err)
			}
		})
	}
}

// ruleIn returns the rule that a message names.
func ruleIn(message string) string {
	return regexp.MustCompile(`\{apiGroups: .*?\]\}`).FindString(message)
}

func parseRule(t *testing.T, text string) rbacv1.PolicyRule {
	t.Helper()
	var rule rbacv1.PolicyRule
	if err := yaml.UnmarshalStrict([]byte(text), &rule); err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return rule
}
