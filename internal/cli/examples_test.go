// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// exampleOrder is the order in which the examples of --help are run, and the exit code of each command. A new command has to be added.
var exampleOrder = []struct {
	command string
	code    int
	answers string
}{
	{"create", cli.ExitDone, "\n\n\n\n\n\n\ny\n"}, {"list", cli.ExitDone, ""}, {"describe", cli.ExitDone, ""}, {"audit", cli.ExitDone, ""},
	{"rename", cli.ExitDone, ""}, {"rotate", cli.ExitDone, "y\n"}, {"reveal", cli.ExitDone, ""}, {"explain", cli.ExitFindings, ""},
	{"leaked", cli.ExitFindings, "y\n"}, {"suspend", cli.ExitDone, "y\n"}, {"resume", cli.ExitDone, ""}, {"version", cli.ExitDone, ""},
	{"backup", cli.ExitDone, ""}, {"restore", cli.ExitDone, ""},
	{"ui", 130, ""}, {"completion", cli.ExitDone, ""}, {"options", cli.ExitDone, ""}, {"revoke", cli.ExitDone, "y\n"}, {"delete", cli.ExitDone, "y\n"},
}

// TestExamples runs the examples of --help: in a shell those that need one, the others as a person at a terminal who says yes.
func TestExamples(t *testing.T) {
	p := newAdministrator(t, "examples")
	shell := newShell(t, p)
	p.must("create", "labelled", "--environment", "Development")
	labelled := p.key("labelled")
	labelled.Labels = map[string]string{"team": "storefront"}
	if err := p.cluster.admin.Update(t.Context(), labelled); err != nil {
		t.Fatal(err)
	}
	examples := cli.Examples()
	for _, order := range exampleOrder {
		if order.command == "leaked" {
			shell.leak(t, p.must("reveal", "main-website"))
		}
		if order.command == "backup" {
			p.awaitNamespacesGone()
		}
		text := strings.ReplaceAll(examples[order.command], "\\\n", " ")
		delete(examples, order.command)
		for line := range strings.SplitSeq(text, "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			shell.run(t, p, line, order.answers, order.code)
			if strings.HasPrefix(line, "kubectl apikey create main-website") && strings.Count(line, " ") == 3 {
				p.must("delete", "main-website", "--yes") // the next example makes one of that name
			}
		}
	}
	for command := range examples {
		t.Errorf("the examples of %s are not run", command)
	}
}

// shell is a folder with a kubectl that runs the plugin, and what the examples need.
type shell struct {
	folder, api string
}

func newShell(t *testing.T, p *person) *shell {
	t.Helper()
	s := &shell{folder: t.TempDir()}
	testkit.Build(t, filepath.Join(s.folder, "kubectl-apikey"), "./cmd/kubectl-apikey")
	for _, command := range [][]string{
		{"git", "init", "-q", s.folder},
		{"cp", p.cluster.Program("kubectl"), s.folder},
	} {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	// The person of the examples has age, and a key for it. Here it only passes the backup on.
	age := "#!/bin/sh\n[ \"$1\" = -d ] && exec cat keys.age\nexec cat > keys.age\n"
	if err := os.WriteFile(filepath.Join(s.folder, "age"), []byte(age), 0o700); err != nil { //nolint:gosec // G306: it is a program
		t.Fatal(err)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if keys.Check(r.Header.Get("X-API-Key")) != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(api.Close)
	s.api = api.URL

	return s
}

// leak puts a key where the examples of leaked look.
func (s *shell) leak(t *testing.T, key string) {
	t.Helper()
	for _, name := range []string{"app.log", "leaked.txt"} {
		if err := os.WriteFile(filepath.Join(s.folder, name), []byte("KEY="+key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "bash", "-c", "git add leaked.txt && git -c user.name=a -c user.email=a@example.com commit -qm leak")
	run.Dir = s.folder
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// run runs one example.
func (s *shell) run(t *testing.T, p *person, line, answers string, code int) {
	t.Helper()
	if !strings.ContainsAny(line, "|<>$") {
		words := exec.CommandContext(t.Context(), "bash", "-c", "printf '%s\\0' "+line)
		words.Dir = s.folder
		out, err := words.Output()
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")[2:]
		for i := range args {
			if strings.HasSuffix(args[i], ".log") || strings.HasSuffix(args[i], ".jsonl") {
				args[i] = filepath.Join(s.folder, args[i])
			}
		}
		p.terminal = true
		if args[0] == "ui" {
			p.interrupt = "The page is at"
			line = strings.ReplaceAll(line, "8765", "0") // another program may have that port
			args = strings.Fields(line)[2:]
		}
		r := p.answer(answers, args...)
		p.terminal, p.interrupt = false, ""
		if r.code != code && r.code != cli.ExitDone {
			t.Errorf("%s: exit code %d\n%s%s", line, r.code, r.out, r.err)
		}

		return
	}
	run := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c",
		"kubectl config set-context --current --namespace="+p.namespace+" >/dev/null; "+strings.ReplaceAll(line, "https://api.example.com", s.api))
	run.Dir = s.folder
	run.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig, "PATH="+s.folder+":"+os.Getenv("PATH"))
	out, err := run.CombinedOutput()
	if got := run.ProcessState.ExitCode(); got != code && got != cli.ExitDone {
		t.Errorf("%s: exit code %d, %v\n%s", line, got, err, out)
	}
}

// awaitNamespacesGone waits until the namespaces of earlier tests are gone, in which nothing can be restored.
func (p *person) awaitNamespacesGone() {
	p.t.Helper()
	p.eventually("no namespace is being deleted", func(ctx context.Context) bool {
		var list corev1.NamespaceList
		err := p.cluster.admin.List(ctx, &list)

		return err == nil && !slices.ContainsFunc(list.Items, func(n corev1.Namespace) bool { return n.DeletionTimestamp != nil })
	})
}
