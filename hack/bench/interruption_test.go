// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// asBench makes this test program behave as the benchmark: what it does about signals shows only in a process of its own.
const asBench = "TEST_PROGRAM_IS_BENCH"

func TestMain(m *testing.M) {
	if os.Getenv(asBench) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestInterruptionLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane for each phase")
	}
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "bin/manager", "./cmd")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, c := range map[string]struct {
		after  string // what it says at that time
		signal syscall.Signal
		again  bool // a second signal
		code   int
	}{
		"Ctrl-C while the API server starts":   {"starting etcd and kube-apiserver", syscall.SIGINT, false, 130},
		"Ctrl-C twice while keys are minted":   {"the operator mints", syscall.SIGINT, true, 130},
		"SIGTERM while keys are minted":        {"the operator mints", syscall.SIGTERM, false, 143},
		"the terminal is closed while minting": {"the operator mints", syscall.SIGHUP, false, 129},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.StartSession(t, os.Args[0], []string{"mint"}, asBench+"=1")
			s.Until(c.after)
			s.Signal(c.signal)
			if c.again {
				s.Until("Ending everything")
				s.Signal(os.Interrupt)
			}
			s.End(c.code)
		})
	}
}
