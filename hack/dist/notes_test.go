// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestNotes takes the notes of releases out of a changelog: all of a section and nothing of others, also for a version that begins like
// another one.
func TestNotes(t *testing.T) {
	t.Parallel()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(root, "hack", "dist", "notes.sh"))
	if err != nil {
		t.Fatal(err)
	}
	here := t.TempDir()
	const changelog = "# Changelog\n\nFor all.\n\n## v1.2.30\n\nThirty.\n\n### Fixes\n\n- One\n\n" +
		"## v1.2.3 - 2027-01-01\n\nThree.\n\n## v1.2.3-rc.1\n\n## v1.2.2\n\nTwo.\n"
	for file, text := range map[string]string{".github/CHANGELOG.md": changelog, "hack/dist/notes.sh": string(script)} {
		if err := os.MkdirAll(filepath.Join(here, filepath.Dir(file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(here, file), []byte(text), 0o700); err != nil { //nolint:gosec // G306: one of them is a program
			t.Fatal(err)
		}
	}
	for version, want := range map[string]string{
		"v1.2.30": "Thirty.\n\n### Fixes\n\n- One\n", "v1.2.3": "Three.\n", "v1.2.2": "Two.\n",
		"v1.2.3-rc.1": "", "v1.2": "", "v1x2.3": "", "": "",
	} {
		run := exec.CommandContext(t.Context(), filepath.Join(here, "hack", "dist", "notes.sh"), version)
		out, err := run.CombinedOutput()
		switch {
		case want != "" && (err != nil || string(out) != want):
			t.Errorf("%q: error %v, printed %q, want %q", version, err, out, want)
		case want == "" && (err == nil || !strings.Contains(string(out), "says nothing about "+version)):
			t.Errorf("%q: error %v, printed %q", version, err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(root, "hack", "dist", "notes.sh"), "v0.1.0").CombinedOutput(); err != nil {
		t.Errorf("the changelog of the project: %v\n%s", err, out)
	}
}
