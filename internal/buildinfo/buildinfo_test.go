// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package buildinfo

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	suffix := ", " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	tree := &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-2026"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"},
	}}
	for name, test := range map[string]struct {
		version, commit string
		recorded        *debug.BuildInfo
		want            string
	}{
		"a release":                  {"v1.2.3", "def", tree, "v1.2.3 (commit def" + suffix},
		"a work tree":                {"", "", tree, "v0.0.0-2026 (commit abc-dirty" + suffix},
		"a release from a work tree": {"v1.2.3", "", tree, "v1.2.3 (commit abc-dirty" + suffix},
		"nothing recorded":           {"", "", nil, "(devel) (commit unknown" + suffix},
	} {
		if got := describe(test.version, test.commit, test.recorded).String(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
