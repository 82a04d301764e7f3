// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusals expects an error that says what is wrong, before anything is built or removed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	needLinux(t)
	here := checkout(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a version without v":         {[]string{"1.2.3", "linux/amd64"}, `VERSION is "1.2.3", want a semantic version behind a v`},
		"no version":                  {[]string{"", "linux/amd64"}, `VERSION is "", want a semantic version behind a v`},
		"a version with a zero ahead": {[]string{"v1.02.3", "linux/amd64"}, `make dist VERSION=v1.2.3`},
		"build metadata":              {[]string{"v1.2.3+7", "linux/amd64"}, `without "+"`},
		"a command":                   {[]string{"v1.2.3; touch owned", "linux/amd64"}, `want a semantic version`},
		"a line break":                {[]string{"v1.2.3\nv1", "linux/amd64"}, `want a semantic version`},
		"no platform":                 {[]string{version}, `DIST_PLATFORMS is empty`},
		"a platform that Go lacks":    {[]string{version, "linux/amd46"}, `DIST_PLATFORMS has "linux/amd46"`},
		"half a platform":             {[]string{version, "linux"}, `DIST_PLATFORMS has "linux"`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := dist(t, here, "022", nil, c.args...)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("error %v, printed %q, want %q", err, out, c.want)
			}
			for _, file := range []string{"dist", "owned"} {
				if _, err := os.Stat(filepath.Join(here, file)); err == nil {
					t.Errorf("it wrote %s", file)
				}
			}
		})
	}
	t.Run("a folder with other files", func(t *testing.T) {
		theirs := filepath.Join(t.TempDir(), "thesis.txt")
		if err := os.WriteFile(theirs, []byte("own"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := dist(t, here, "022", []string{"DIST=" + filepath.Dir(theirs)}, version, "linux/amd64")
		if err == nil || !strings.Contains(out, "has files that are not of a release") {
			t.Errorf("error %v, printed %q", err, out)
		}
		if _, err := os.Stat(theirs); err != nil {
			t.Error(err)
		}
	})
}
