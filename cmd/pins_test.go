// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
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
		{".github/workflows/*.y*ml", regexp.MustCompile(`(?m)\buses:.*$`), regexp.MustCompile(`^uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$`)},
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
