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

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// shell is a program that runs a script.
func shell(t *testing.T, script string) *program {
	t.Helper()
	p := &program{name: "script", log: filepath.Join(t.TempDir(), "log"), grace: time.Minute}
	if err := p.start("/bin/sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(process.AtOnce()) })

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
	stopped := process.SignalError{Signal: syscall.SIGTERM}
	if got := p.explain(stopped); !errors.Is(got, stopped) || strings.Contains(got.Error(), "busy") {
		t.Errorf("error is %v, want nothing but %v", got, stopped)
	}
}

func TestStopEndsAProgram(t *testing.T) {
	p := shell(t, "exec sleep 60")
	p.stop(nil)
	if p.Result() == nil || !strings.Contains(p.Result().Error(), "terminated") {
		t.Errorf("it ended with %v, want terminated", p.Result())
	}
}

func TestStopKillsAProgramThatDoesNotEnd(t *testing.T) {
	p := shell(t, "trap '' TERM; while :; do sleep 60; done")
	p.grace = time.Millisecond
	p.stop(nil)
	if p.Result() == nil || !strings.Contains(p.Result().Error(), "killed") && !strings.Contains(p.Result().Error(), "terminated") {
		t.Errorf("it ended with %v, want killed", p.Result())
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
