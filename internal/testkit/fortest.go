// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// StartFor starts a control plane that ends with the test.
func StartFor(t testing.TB, opts Options) *ControlPlane {
	t.Helper()
	plane, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})

	return plane
}

// RunOperatorFor runs the operator until the test ends.
func (c *ControlPlane) RunOperatorFor(t testing.TB) {
	t.Helper()
	stop, err := c.RunOperator(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// FreeAddress returns an address on loopback that is held for one program until the test ends. No server listens there yet.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var ports process.Ports
	address, err := ports.Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ports.Release)

	return address
}

// FindProgram returns the path of the first of these programs that is installed. Where none is, the test is skipped; in CI
// that is a failure.
func FindProgram(t testing.TB, debian string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if path, err := exec.LookPath("/usr/sbin/" + name); err == nil { // often not on PATH
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("none of %v is installed: CI has to install the Debian package %s", names, debian)
	}
	t.Skipf("none of %v is installed: it is in the Debian package %s", names, debian)

	return ""
}

// FindBuilt returns the path of a program that `make TARGET` builds into bin/TARGET. Where it is not built, the test is skipped;
// in CI that is a failure.
func FindBuilt(t testing.TB, target, name string) string {
	t.Helper()

	return findInBin(t, filepath.Join(target, name), target)
}

// FindTool returns the path of a program that make builds into bin. Where it is not built, the test is skipped; in CI that is a failure.
func FindTool(t testing.TB, name string) string {
	t.Helper()

	return findInBin(t, name, "bin/"+name)
}

func findInBin(t testing.TB, name, target string) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("bin/%s is not built: CI has to run `make %s`", name, target)
	}
	t.Skipf("bin/%s is not built: `make %s` does that", name, target)

	return ""
}
