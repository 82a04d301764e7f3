// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a program that runs a script.
func shell(t *testing.T, script string) *program {
	t.Helper()
	p := &program{name: "script", log: filepath.Join(t.TempDir(), "log"), grace: time.Minute}
	if err := p.start("/bin/sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)

	return p
}

func TestProgramThatEndsIsTheCauseWithItsLog(t *testing.T) {
	p := shell(t, "echo out of luck; exit 3")
	ctx, cancel := p.whileRunning(t.Context())
	defer cancel()
	<-ctx.Done()
	got := p.explain(context.Cause(ctx)).Error()
	for _, want := range []string{"the script has ended by itself (exit status 3)", "  out of luck"} {
		if !strings.Contains(got, want) {
			t.Errorf("error is\n%s\nwant %q in it", got, want)
		}
	}
}

func TestInterruptionIsNotExplained(t *testing.T) {
	p := shell(t, "echo quite busy; exec sleep 60")
	stopped := interruption{signal: syscall.SIGTERM}
	if got := p.explain(stopped); !errors.Is(got, stopped) || strings.Contains(got.Error(), "busy") {
		t.Errorf("error is %v, want nothing but %v", got, stopped)
	}
}

func TestStopEndsAProgram(t *testing.T) {
	p := shell(t, "exec sleep 60")
	p.stop()
	if p.result == nil || !strings.Contains(p.result.Error(), "terminated") {
		t.Errorf("it ended with %v, want terminated", p.result)
	}
}

func TestStopKillsAProgramThatDoesNotEnd(t *testing.T) {
	p := shell(t, "trap '' TERM; while :; do sleep 60; done")
	p.grace = time.Millisecond
	p.stop()
	if p.result == nil || !strings.Contains(p.result.Error(), "killed") && !strings.Contains(p.result.Error(), "terminated") {
		t.Errorf("it ended with %v, want killed", p.result)
	}
}

func TestLastLines(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no lines":                    {"\n", "  (empty)"},
		"fewer than asked for":        {"one\n", "  one"},
		"the first of many are left":  {"one\ntwo\nthree\nfour\n", "  three\n  four"},
		"a last line without its end": {"one\ntwo\nthree", "  two\n  three"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lastLines([]byte(c.text), 2); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
