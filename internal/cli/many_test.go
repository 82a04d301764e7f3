// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// many is how many APIKeys are listed.
const many = 10_000

// TestMany lists 10,000 APIKeys and serves their page. No operator runs, so the APIKeys are Pending.
func TestMany(t *testing.T) {
	if testing.Short() {
		t.Skip("it creates 10,000 APIKeys")
	}
	plane := testkit.StartFor(t, testkit.Options{})
	createMany(t, plane)
	t.Run("list", func(t *testing.T) { listMany(t, plane) })
	t.Run("page", func(t *testing.T) { servePageOfMany(t, plane) })
}

// listMany lists in a process of its own: the first rows come before the last page is read, and the memory does not grow with the list.
func listMany(t *testing.T, plane *testkit.ControlPlane) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kubectl-apikey")
	testkit.Build(t, program, "./cmd/kubectl-apikey")
	kubeconfig, err := plane.Kubeconfig("reader", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.CommandContext(t.Context(), program, "list", "--kubeconfig", kubeconfig)
	list.Env = append(os.Environ(), "GOGC=100")
	out := &observed{started: time.Now(), of: list}
	list.Stdout, list.Stderr = out, os.Stderr
	if err := list.Run(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(out.started)
	if got := out.lines; got != many+1 {
		t.Errorf("%d lines, want %d and a header", got, many)
	}
	t.Logf("first rows after %s, all after %s, at most %d KiB", out.first, took, out.peak)
	if out.first > took/2 {
		t.Errorf("the first rows came after %s of %s", out.first, took)
	}
	if runtime.GOOS == "linux" && (out.peak == 0 || out.peak > 150<<10) {
		t.Errorf("it took %d KiB", out.peak)
	}
}

// createMany creates the APIKeys.
func createMany(t *testing.T, plane *testkit.ControlPlane) {
	t.Helper()
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(16)
	for i := range many {
		group.Go(func() error {
			return admin.Create(t.Context(), &v1alpha1.APIKey{
				ObjectMeta: objectMeta("default", fmt.Sprintf("key-%05d", i)),
				Spec: v1alpha1.APIKeySpec{
					DisplayName: "One of many",
					Environment: v1alpha1.EnvironmentDevelopment,
					Permissions: []v1alpha1.Permission{"customers:read", "orders:read"},
				},
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// observed counts lines, and records when the first ones came and how much memory their program took.
type observed struct {
	of      *exec.Cmd
	started time.Time
	first   time.Duration
	lines   int
	peak    int64 // KiB
}

// Write implements io.Writer.
func (o *observed) Write(p []byte) (int, error) {
	if o.first == 0 {
		o.first = time.Since(o.started)
	}
	o.lines += bytes.Count(p, []byte("\n"))
	if memory, err := process.MemoryOf(o.of.Process.Pid); err == nil { // it may have ended
		o.peak = memory.Peak >> 10
	}

	return len(p), nil
}
