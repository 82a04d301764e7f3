// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package buildinfo tells which version of the project a program was built from.
package buildinfo

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// The linker sets these in a release: -ldflags "-X github.com/apikey-operator/apikey-operator/internal/buildinfo.version=v1.2.3".
// Other builds take them from what Go records about the work tree.
var (
	version string
	commit  string //nolint:gochecknoglobals // the linker sets it
)

// unknown stands for what the build has not recorded.
const unknown = "unknown"

// Info describes a build.
type Info struct {
	// Version is that of the release, such as v1.2.3, or else the pseudo-version of the commit.
	Version string `json:"version"`
	// Commit is the Git commit, with "-dirty" behind it if files had changed.
	Commit string `json:"commit"`
	// Go is the version of the compiler.
	Go string `json:"goVersion"`
	// Platform is the operating system and the processor, such as linux/amd64.
	Platform string `json:"platform"`
}

// Read returns the description of this program.
func Read() Info {
	recorded, _ := debug.ReadBuildInfo() // nil where the program was built without modules

	return describe(version, commit, recorded)
}

// describe prefers what the linker has set.
func describe(version, commit string, recorded *debug.BuildInfo) Info {
	info := Info{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if recorded != nil {
		if info.Version == "" {
			info.Version = recorded.Main.Version
		}
		if info.Commit == "" {
			info.Commit = commitOf(recorded)
		}
	}
	if info.Version == "" {
		info.Version = "(devel)"
	}
	if info.Commit == "" {
		info.Commit = unknown
	}

	return info
}

// commitOf returns the commit that Go has recorded; empty: none.
func commitOf(recorded *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, setting := range recorded.Settings {
		settings[setting.Key] = setting.Value
	}
	commit := settings["vcs.revision"]
	if commit != "" && settings["vcs.modified"] == "true" {
		commit += "-dirty"
	}

	return commit
}

// String returns the description on one line.
func (i Info) String() string {
	return i.Version + " (" + strings.Join([]string{"commit " + i.Commit, i.Go, i.Platform}, ", ") + ")"
}
