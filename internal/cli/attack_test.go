// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// closedPipe is a standard output whose reader has gone.
type closedPipe struct{}

// Write implements io.Writer.
func (closedPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
}

// TestBrokenPipeOfEveryCommand: when the reader of the output has gone, each command that prints ends without a word about it.
func TestBrokenPipeOfEveryCommand(t *testing.T) {
	p := newAdministrator(t, "gone-reader")
	p.must("create", "web", "--environment", "Development")
	key, backup := p.must("reveal", "web"), p.must("backup")
	p.out = closedPipe{}
	for _, test := range []struct{ input, command string }{
		{"", "list"}, {"", "list -o wide"}, {"", "list -o yaml"}, {"", "list -o json"}, {"", "list -o name"}, {"", "list -o jsonpath={.items}"},
		{"", "list --watch"}, {"", "describe web"}, {"", "audit"}, {"", "audit -o json"}, {"", "audit -o sarif"}, {"", "explain web"},
		{key, "leaked -"}, {"", "reveal web"}, {"", "version"}, {"", "version -o yaml"}, {"", "options"},
		{"", "backup"}, {backup, "restore -f - --dry-run=client"},
		{"", "completion kubectl"}, {"", "completion bash"}, {"", "completion zsh"}, {"", "completion fish"},
		{"", "create other --environment Development --dry-run=client"}, {"", "rename web Web"}, {"", "suspend web --yes"}, {"", "resume web -o yaml"},
		{"", "rotate web --yes"}, {"", "revoke web --yes --dry-run=server"}, {"", "delete web --yes"},
	} {
		r := p.answer(test.input, strings.Fields(test.command)...)
		if r.code != 141 || strings.Contains(r.err, "error") || strings.Contains(r.err, "pipe") {
			t.Errorf("%s: exit code %d, said %q", test.command, r.code, r.err)
		}
	}
}

// TestControlCharacters: at a terminal no output has a character that the terminal acts on, whatever the objects hold.
func TestControlCharacters(t *testing.T) {
	p := newAdministrator(t, "control")
	p.must("create", "web", "--environment", "Development")
	apikey := p.key("web")
	apikey.Annotations = map[string]string{"note": "a\x1b[2J\x07\r\u202eb\u0085"}
	if err := p.cluster.admin.Update(t.Context(), apikey); err != nil {
		t.Fatal(err)
	}
	p.create(&v1alpha1.APIKeyPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "control", Annotations: map[string]string{"note": "\x1b[2J"}},
		Spec: v1alpha1.APIKeyPolicySpec{
			NamespaceSelector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": "control"}},
		},
	})
	p.terminal = true
	for _, command := range []string{
		"list", "list -o wide", "list -o yaml", "list -o json", "list -o jsonpath={.items[*].metadata.annotations}",
		"list -o go-template={{range.items}}{{.metadata.annotations.note}}{{end}}", "describe web", "audit", "audit -o json", "audit -o sarif",
		"explain web", "suspend web --dry-run=server -o yaml", "suspend web --dry-run=client -o jsonpath={.metadata.annotations}",
		"suspend \x1b[2J", "list -l \x1b[2J=a", "create \x1b[2J --environment Development", "rename web \x1b[2J", "reveal \u202e --show", "\x1b[2J",
		"list --status \x1b[2J", "list --\x1b[2J", "restore -f \x1b[2J", "restore -f x --operator \x1b[2J", "backup -f /\x1b[2J/x",
	} {
		r := p.answer("n\n", strings.Split(command, " ")...)
		for _, c := range r.out + r.err {
			if c < ' ' && c != '\n' && c != '\t' || c == '\x7f' || c >= '\u0080' && c < '\u00a0' || c == '\u202e' {
				t.Errorf("%q prints %q:\n%q", command, c, r.out+r.err)

				break
			}
		}
	}
	p.terminal = false
	if out := p.must("list", "-o", "jsonpath={.items[0].metadata.annotations.note}"); out != apikey.Annotations["note"] {
		t.Errorf("a pipe gets %q, want the text as it is", out)
	}
}

// TestFormats prints each result in every format that a command offers, without a change.
func TestFormats(t *testing.T) {
	p := newAdministrator(t, "formats")
	p.must("create", "web", "--environment", "Development")
	before := p.key("web").ResourceVersion
	wants := map[string]*regexp.Regexp{
		"name": regexp.MustCompile(`^apikey\.apikey-operator\.io/(web|other)\n$`), "json": regexp.MustCompile(`^\{\n`),
		"yaml": regexp.MustCompile(`^apiVersion: apikey-operator\.io/v1alpha1\n`), "jsonpath={.metadata.name}": regexp.MustCompile(`^(web|other)$`),
		"go-template={{.kind}}": regexp.MustCompile(`^APIKey$`),
	}
	for _, command := range []string{
		"create other --environment Development", "rename web Web", "suspend web", "resume web", "rotate web", "revoke web", "delete web",
	} {
		for _, mode := range []string{"client", "server"} {
			for _, format := range slices.Sorted(maps.Keys(wants)) {
				out := p.must(append(strings.Fields(command), "--dry-run="+mode, "-o", format)...)
				if !wants[format].MatchString(out) || strings.Contains(out, "\n  managedFields:") {
					t.Errorf("%s --dry-run=%s -o %s prints %q", command, mode, format, out)
				}
			}
			if r := p.run(append(strings.Fields(command), "--dry-run="+mode, "-o", "wide")...); r.code != cli.ExitUsage || r.out != "" {
				t.Errorf("%s -o wide: %+v", command, r)
			}
		}
	}
	if after := p.key("web").ResourceVersion; after != before {
		t.Error("a dry run has changed the APIKey")
	}
	for command, code := range map[string]int{
		"list -l team=none": cli.ExitDone, "list -A -l team=none -o name": cli.ExitDone, "list -A -o yaml": cli.ExitDone, "audit -A -l team=none": cli.ExitDone,
		"suspend -l team=none --yes": cli.ExitNotFound, "rotate -l team=none --yes": cli.ExitNotFound, "delete -l team=none --yes": cli.ExitNotFound,
		"list -o nonsense": cli.ExitUsage, "suspend absent --yes": cli.ExitNotFound,
	} {
		if r := p.run(strings.Fields(command)...); r.code != code {
			t.Errorf("%s: exit code %d, want %d; %s%s", command, r.code, code, r.out, r.err)
		}
	}
}

// TestExitCodes: each documented exit code is one that a command ends with.
func TestExitCodes(t *testing.T) {
	p := newAdministrator(t, "exit-codes")
	p.must("create", "web", "--environment", "Development")
	offline := &person{t: t, kubeconfig: "/nonexistent", namespace: "none"}
	nobody := p.newUser("exit-codes-nobody")
	got := map[string]bool{}
	note := func(r result) { got[fmt.Sprint(r.code)] = true }
	note(p.run("list"))
	note(offline.run("list"))
	note(p.run("lst"))
	note(nobody.run("list"))
	note(p.run("describe", "absent"))
	note(p.run("rotate", "web", "--yes", "--timeout", "1ns"))
	note(p.run("rotate", "web"))
	note(p.run("audit", "--fail"))
	p.terminal, p.interrupt = true, "Continue?"
	note(p.run("rotate", "web"))
	p.terminal, p.interrupt, p.out = false, "", closedPipe{}
	note(p.run("list"))
	var documented []string
	for _, found := range regexp.MustCompile(`(?m)^  (\d+) `).FindAllStringSubmatch(offline.must("--help"), -1) {
		documented = append(documented, found[1])
	}
	documented = append(documented, "141") // beside 130
	slices.Sort(documented)
	if reached := slices.Sorted(maps.Keys(got)); !slices.Equal(reached, documented) {
		t.Errorf("documented are %v, and the commands end with %v", documented, reached)
	}
}

// TestColour: a terminal gets colours, unless NO_COLOR is set or TERM is dumb. A pipe gets none.
func TestColour(t *testing.T) {
	script := testkit.FindProgram(t, "bsdutils", "script")
	p := newAdministrator(t, "colour")
	p.must("create", "web", "--environment", "Development")
	shell := newShell(t, p)
	command := filepath.Join(shell.folder, "kubectl-apikey") + " list --namespace colour --kubeconfig " + p.kubeconfig
	for environment, coloured := range map[string]bool{"TERM=xterm": true, "TERM=xterm NO_COLOR=1": false, "TERM=dumb": false} {
		out, err := exec.CommandContext(t.Context(), script, "-qec", "env "+environment+" "+command, "/dev/null").Output()
		if err != nil || strings.Contains(string(out), "\x1b[") != coloured || !strings.Contains(string(out), "Active") {
			t.Errorf("%s: %v, printed %q", environment, err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-c", "TERM=xterm "+command+" | cat").Output()
	if err != nil || strings.Contains(string(out), "\x1b") {
		t.Errorf("a pipe: %v, printed %q", err, out)
	}
}
