// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

var (
	usesAction   = regexp.MustCompile(`(?m)\buses: [^.].*$`) // those of this repository begin with a dot
	pinnedAction = regexp.MustCompile(`^uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$`)
)

// TestPinned checks that what the image and CI are made of cannot change under a name: base images are named by the digest of
// their content, and actions by that of their commit, with the version for readers.
func TestPinned(t *testing.T) {
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		files     string
		reference *regexp.Regexp // finds each reference to something outside
		pinned    *regexp.Regexp
	}{
		{"Dockerfile*", regexp.MustCompile(`(?m)^FROM .*$`), regexp.MustCompile(`^FROM (--platform=\S+ )?[^\s@]+:[^\s@]+@sha256:[0-9a-f]{64}( AS \w+)?$`)},
		{".github/workflows/*.y*ml", usesAction, pinnedAction},
		{".github/actions/*/action.y*ml", usesAction, pinnedAction},
	} {
		files, err := filepath.Glob(filepath.Join(root, c.files))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, reference := range c.reference.FindAllString(string(text), -1) {
				found++
				if !c.pinned.MatchString(reference) {
					t.Errorf("%s: %q is not pinned", filepath.Base(file), reference)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: there is nothing to pin", c.files)
		}
	}
}

// TestUpdated checks that newer versions are proposed for every module, and that `make verify` looks at every module.
func TestUpdated(t *testing.T) {
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Glob(filepath.Join(root, "hack", "*", "go.mod"))
	if err != nil || len(modules) == 0 {
		t.Fatalf("the modules under hack are %v: %v", modules, err)
	}
	updates := regexp.MustCompile(`(?s)package-ecosystem: gomod\s+directories: \[(.*?)\]`).FindStringSubmatch(readDocument(t, ".github/dependabot.yml"))
	verified := regexp.MustCompile(`(?m)^for module in \. (.*); do$`).FindStringSubmatch(readDocument(t, "hack/verify.sh"))
	if updates == nil || verified == nil {
		t.Fatal("dependabot.yml or verify.sh is not of the form that this test reads")
	}
	for _, module := range modules {
		folder := "hack/" + filepath.Base(filepath.Dir(module))
		if !slices.Contains(strings.Split(updates[1], ", "), "/"+folder) {
			t.Errorf("dependabot.yml leaves out %s", folder)
		}
		if !slices.Contains(strings.Fields(verified[1]), folder) {
			t.Errorf("verify.sh leaves out %s", folder)
		}
	}
}
