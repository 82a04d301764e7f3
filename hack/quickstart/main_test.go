// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  string
		exit bool
		err  string // part of the error; empty: none
	}{
		"nothing given: stays up":                    {},
		"QUICKSTART_EXIT=1: ends after the tour":     {env: "1", exit: true},
		"QUICKSTART_EXIT=0: stays up":                {env: "0"},
		"QUICKSTART_EXIT that is neither is refused": {env: "later", err: `QUICKSTART_EXIT is "later": set it to 1`},
		"an unknown flag is refused":                 {args: []string{"--fast"}, err: "-fast"},
		"an argument is refused":                     {args: []string{"now"}, err: `unexpected argument "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(exitVariable, c.env)
			exit, err := parse(c.args)
			if exit != c.exit {
				t.Errorf("exit after the tour is %t, want %t", exit, c.exit)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error is %v, want one with %q", err, c.err)
			}
		})
	}
}

func TestParseHelp(t *testing.T) {
	if _, err := parse([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error is %v, want flag.ErrHelp", err)
	}
}

func TestRunExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		arg            string
		code           int
		stdout, stderr string // parts of what is printed
	}{
		"--help explains on standard output":         {"--help", exitHeld, "Usage: make quickstart", ""},
		"an unknown flag is said on standard error":  {"--fast", exitUsage, "", "Run it with --help"},
		"an argument is named on standard error too": {"now", exitUsage, "", `"now"`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run([]string{c.arg}, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, p := range []struct{ got, want string }{{stdout.String(), c.stdout}, {stderr.String(), c.stderr}} {
				if !strings.Contains(p.got, p.want) || p.want == "" && p.got != "" {
					t.Errorf("printed %q, want %q in it", p.got, p.want)
				}
			}
		})
	}
}

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
	testkit.Build(t, "bin/manager", "./cmd")
	testkit.Build(t, "bin/verifier", "./cmd/verifier")
	testkit.Build(t, "bin/kubectl-apikey", "./cmd/kubectl-apikey")

	return testkit.StartSession(t, os.Args[0], nil, asQuickstart+"=1", exitVariable+"=1")
}

func TestInterruptionLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane for each phase")
	}
	for name, interruption := range map[string]testkit.Interruption{
		"Ctrl-C while the API server starts":        {After: "Starting", Signal: syscall.SIGINT, Code: 130},
		"Ctrl-C twice while the API server starts":  {After: "Starting", Signal: syscall.SIGINT, Again: true, Code: 130},
		"Ctrl-C while the manifests are applied":    {After: "kube-apiserver are ready", Signal: syscall.SIGINT, Code: 130},
		"SIGTERM while the operator starts":         {After: "kube-controller-manager is started", Signal: syscall.SIGTERM, Code: 143},
		"Ctrl-C while the verifier starts":          {After: "the operator is ready", Signal: syscall.SIGINT, Code: 130},
		"Ctrl-C twice during the tour":              {After: "Rotated", Signal: syscall.SIGINT, Again: true, Code: 130},
		"SIGTERM during the tour":                   {After: "Limited", Signal: syscall.SIGTERM, Code: 143},
		"the terminal is closed during the tour":    {After: "Minted", Signal: syscall.SIGHUP, Code: 129},
		"SIGTERM and Ctrl-C while the API is asked": {After: "Asked", Signal: syscall.SIGTERM, Again: true, Code: 143},
	} {
		t.Run(name, func(t *testing.T) {
			s := startQuickstart(t)
			s.Interrupt(interruption)
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
			t.Fatalf("%s does not run; it printed\n%s", program, s.Said())
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
		"all steps held":                  {nil, nil, exitHeld, nil},
		"all steps held and then Ctrl-C":  {nil, asked, exitHeld, nil},
		"a step failed":                   {failure, nil, exitError, []string{"quickstart failed: no such file"}},
		"a step failed because of Ctrl-C": {failure, asked, 130, []string{"quickstart: stopped (interrupt) before the tour was over"}},
		"a step failed because of Ctrl-C, and a file": {
			errors.Join(failure, left), asked, 130, []string{"remove what is left yourself: a folder is busy", "stopped (interrupt)"},
		},
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
