// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestReadmeSession runs the commands of the terminal session in README.md in a shell, with a real kubectl and control plane, and compares
// what they print, except for ages. With -update it writes what they print into README.md.
func TestReadmeSession(t *testing.T) {
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindAllSubmatchIndex(readme, -1)
	if len(blocks) != 1 {
		t.Fatalf("README.md has %d terminal sessions, want 1", len(blocks))
	}
	block := string(readme[blocks[0][2]:blocks[0][3]])
	p := newAdministrator(t, "storefront")
	shell := newShell(t, p)
	shell.leak(t, "no key at all")
	var recorded strings.Builder
	for _, command := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(block, -1) {
		recorded.WriteString("$ " + command[1] + "\n" + shell.record(t, p, command[1]))
	}
	if strings.Count(recorded.String(), "\n$ ") < 3 {
		t.Fatalf("the session has too few commands:\n%s", block)
	}
	if *update {
		text := string(readme[:blocks[0][2]]) + recorded.String() + string(readme[blocks[0][3]:])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil { //nolint:gosec // G703: a file of the repository
			t.Fatal(err)
		}

		return
	}
	if diff := cmp.Diff(stable(block), stable(recorded.String())); diff != "" {
		t.Errorf("README.md is not what the commands print; `make session` writes it (-README +printed):\n%s", diff)
	}
}

// record returns what a command prints to a person in a namespace, who has kubectl and the plugin on the PATH.
func (s *shell) record(t *testing.T, p *person, command string) string {
	t.Helper()
	run := exec.CommandContext(t.Context(), "bash", "-c",
		"kubectl config set-context --current --namespace="+p.namespace+" >/dev/null; "+command)
	run.Dir = s.folder
	run.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig, "PATH="+s.folder+":"+os.Getenv("PATH"))
	out, err := run.CombinedOutput()
	if err != nil {
		t.Logf("%s: %v", command, err) // explain and leaked tell findings by their exit code
	}

	return string(out)
}
