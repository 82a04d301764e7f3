// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/storage/names"
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
		{"reveal a --claim --previous", "cannot both be set"},
		{"create a --environment Staging --delivery twice", "must be one of Keep, Once"},
		{"create a --environment Staging --claim-before 1h", "goes with --delivery Once"},
		{"create a --environment Staging --delivery Once --claim-before soon", "write days as 30d"},
		{"revoke", "name the APIKeys"},
		{"backup x", `unexpected argument "x"`},
		{"restore", "-f FILE"},
		{"restore -f - --dry-run=maybe", "none, client or server"},
		{"restore -f - --operator moon", "NAMESPACE/NAME"},
		{"restore -f - --operator a/b/c:d", "NAMESPACE/NAME"},
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
	admin.must("create", "once", "--environment", "Development", "--delivery", "Once")
	key := admin.must("reveal", "web")
	backup := admin.must("backup")
	for i, test := range []struct {
		input string
		args  []string
		rules int
		code  int
	}{
		{"", []string{"list"}, 1, cli.ExitDone},
		{"", []string{"list", "-A"}, 1, cli.ExitDone},
		{"", []string{"audit", "--rule", "no-owner"}, 1, cli.ExitDone},
		{"", []string{"audit", "-A", "--fail"}, 1, cli.ExitFindings},
		{"", []string{"describe", "web"}, 1, cli.ExitDone},
		{"", []string{"explain", "web"}, 3, cli.ExitDone},
		{"", []string{"explain", "web", "--here"}, 3, cli.ExitDone},
		{key, []string{"explain", "-", "--environment", "Development"}, 2, cli.ExitDone},
		{key, []string{"leaked", "-"}, 1, cli.ExitFindings},
		{key, []string{"leaked", "-", "--here"}, 1, cli.ExitFindings},
		{"", []string{"backup"}, 3, cli.ExitDone},
		{backup, []string{"restore", "-f", "-"}, 4, cli.ExitDone},
		{backup, []string{"restore", "-f", "-", "--dry-run=client"}, 0, cli.ExitDone},
		{key, []string{"leaked", "-", "--rotate", "--yes", "--here"}, 3, cli.ExitFindings},
		{"", []string{"version"}, 1, cli.ExitDone},
		{"", []string{"reveal", "web"}, 2, cli.ExitDone},
		{"", []string{"reveal", "once", "--claim"}, 3, cli.ExitDone},
		{"", []string{"rename", "web", "Web"}, 2, cli.ExitDone},
		{"", []string{"rotate", "web", "--yes"}, 3, cli.ExitDone},
		{"", []string{"suspend", "web", "--yes", "--dry-run=server"}, 2, cli.ExitDone},
		{"", []string{"suspend", "web", "--yes"}, 2, cli.ExitDone},
		{"", []string{"resume", "web"}, 3, cli.ExitDone},
		{"", []string{"create", "other", "--environment", "Staging", "--permission", "customers:read", "--wait=false"}, 3, cli.ExitDone},
		{"", []string{"delete", "other", "--yes"}, 2, cli.ExitDone},
		{"", []string{"revoke", "web", "--yes"}, 2, cli.ExitDone},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			p := &person{t: t, cluster: admin.cluster, namespace: admin.namespace, kubeconfig: admin.kubeconfig}
			name := fmt.Sprintf("user-%d", i)
			user := p.newUser(name)
			rules := 0
			r := user.answer(test.input, test.args...)
			for ; r.code == cli.ExitForbidden && rules < 10; rules++ {
				rule := ruleIn(r.err)
				if rule == "" || !strings.Contains(r.err, name) {
					t.Fatalf("names no rule: %s", r.err)
				}
				p.allowAsSaid(name, r.err)
				r = user.untilAllowed(rule, test.input, test.args...)
			}
			if r.code != test.code || rules != test.rules {
				t.Errorf("exit code %d after %d rules, want %d after %d\n%s", r.code, rules, test.code, test.rules, r.err)
			}
		})
	}
}

// untilAllowed repeats a command until the API server knows a rule that it has missed, and returns the result then.
func (p *person) untilAllowed(rule, input string, args ...string) result {
	p.t.Helper()
	for began := time.Now(); ; {
		r := p.answer(input, args...)
		if r.code != cli.ExitForbidden || ruleIn(r.err) != rule {
			return r
		}
		if time.Since(began) > patience {
			p.t.Fatalf("is not allowed: %s", r.err)
		}
	}
}

// TestLittleRBACForNotes: a command that leaves something out names the rules that are missing, and with them it leaves nothing out.
func TestLittleRBACForNotes(t *testing.T) {
	admin := newAdministrator(t, "little-notes")
	admin.must("create", "web", "--environment", "Development", "--permission", "customers:read")
	for name, args := range map[string][]string{"describer-notes": {"describe", "web"}, "auditor-notes": {"audit"}} {
		user := admin.newUser(name, parseRule(t, `{apiGroups: ["apikey-operator.io"], resources: [apikeys], verbs: [get, list]}`))
		r := user.run(args...)
		for range 12 {
			if r.code != cli.ExitDone || ruleIn(r.out+r.err) == "" {
				break
			}
			admin.allowAsSaid(name, r.out+r.err)
			r = user.run(args...)
		}
		for _, note := range []string{"may not", "left out"} {
			if r.code != cli.ExitDone || strings.Contains(r.out+r.err, note) {
				t.Errorf("%v: %d, %s%s", args, r.code, r.out, r.err)
			}
		}
	}
}

// allowAsSaid gives a user the first rule that a message names, where the message says: in the whole cluster or in a namespace.
func (p *person) allowAsSaid(name, message string) {
	p.t.Helper()
	at := strings.Index(message, "{apiGroups: ")
	if sentence := message[strings.LastIndex(message[:at], "may not"):at]; !strings.Contains(sentence, "in the whole cluster") {
		there := *p
		if named := regexp.MustCompile(`in namespace "([a-z-]+)"`).FindStringSubmatch(sentence); named != nil {
			there.namespace = named[1]
		}
		there.allow(name, parseRule(p.t, ruleIn(message)))

		return
	}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: names.SimpleNameGenerator.GenerateName("allowed-")}, Rules: []rbacv1.PolicyRule{parseRule(p.t, ruleIn(message))},
	}
	p.create(role)
	p.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})
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
