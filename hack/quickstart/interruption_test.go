// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// asQuickstart makes this test program behave as the quickstart: what it does about signals shows only in a process of its own.
const asQuickstart = "TEST_PROGRAM_IS_QUICKSTART"

func TestMain(m *testing.M) {
	if os.Getenv(asQuickstart) != "" {
		main()
	}
	os.Exit(m.Run())
}

// startQuickstart starts a quickstart with programs as `make quickstart` builds them.
func startQuickstart(t *testing.T) *testkit.Session {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	for program, folder := range map[string]string{"bin/manager": "./cmd", "bin/verifier": "./cmd/verifier"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", program, folder)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	return testkit.StartSession(t, os.Args[0], nil, asQuickstart+"=1", exitVariable+"=1")
}

func TestInterruptionLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane for each phase")
	}
	for name, c := range map[string]struct {
		after  string // what it says at that time
		signal syscall.Signal
		again  bool // a second signal right after
		code   int
	}{
		"Ctrl-C while the API server starts":        {"Starting", syscall.SIGINT, false, 130},
		"Ctrl-C twice while the API server starts":  {"Starting", syscall.SIGINT, true, 130},
		"Ctrl-C while the manifests are applied":    {"kube-apiserver are ready", syscall.SIGINT, false, 130},
		"SIGTERM while the operator starts":         {"kube-controller-manager is started", syscall.SIGTERM, false, 143},
		"Ctrl-C while the verifier starts":          {"the operator is ready", syscall.SIGINT, false, 130},
		"Ctrl-C twice during the tour":              {"Rotated", syscall.SIGINT, true, 130},
		"SIGTERM during the tour":                   {"Limited", syscall.SIGTERM, false, 143},
		"the terminal is closed during the tour":    {"Minted", syscall.SIGHUP, false, 129},
		"SIGTERM and Ctrl-C while the API is asked": {"Asked", syscall.SIGTERM, true, 143},
	} {
		t.Run(name, func(t *testing.T) {
			s := startQuickstart(t)
			s.Until(c.after)
			s.Signal(c.signal)
			if c.again {
				s.Until("Ending everything")
				s.Signal(os.Interrupt)
			}
			s.End(c.code)
			if strings.Contains(s.Said(), "failed") {
				t.Errorf("it calls an end that was asked for a failure:\n%s", s.Said())
			}
		})
	}
}

// TestDeafPrograms stops every program of a quickstart, so that none reacts to SIGTERM: as on a machine that is far too busy.
func TestDeafPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	s := startQuickstart(t)
	s.Until("Rotated")
	for _, program := range []string{"kube-apiserver", "etcd", "kube-controller-manager", "manager", "verifier"} {
		processes := s.Processes(program)
		if len(processes) == 0 {
			t.Fatalf("%s does not run; it said\n%s", program, s.Said())
		}
		for _, process := range processes {
			if err := syscall.Kill(process, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Signal(os.Interrupt)
	s.Until("Ending everything")
	s.Signal(os.Interrupt)
	s.End(130)
}

func TestConclude(t *testing.T) {
	failure, left := errors.New("no such file"), leftover(errors.New("a folder is busy"))
	asked := process.SignalError{Signal: syscall.SIGINT}
	for name, c := range map[string]struct {
		err, cause error
		code       int
		want       []string // parts of what is said
	}{
		"all steps held":                              {nil, nil, exitHeld, nil},
		"all steps held and then Ctrl-C":              {nil, asked, exitHeld, nil},
		"a step failed":                               {failure, nil, exitError, []string{"quickstart failed: no such file"}},
		"a step failed because of Ctrl-C":             {failure, asked, 130, []string{"quickstart: stopped (interrupt) before the tour was over"}},
		"a step failed because of Ctrl-C, and a file": {errors.Join(failure, left), asked, 130, []string{"remove what is left yourself: a folder is busy", "stopped (interrupt)"}},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			if code := conclude(c.err, c.cause, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("said %q, want %q", stderr.String(), want)
				}
			}
			if c.code != exitError && strings.Contains(stderr.String(), "failed") {
				t.Errorf("said %q", stderr.String())
			}
		})
	}
}
