// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a program that runs a script.
func shell(t *testing.T, script string) *Program {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/bin/sh", "-c", script)
	p, err := StartProgram("script", filepath.Join(t.TempDir(), "log"), cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(AtOnce(), time.Minute) })

	return p
}

func TestProgramThatEndsIsTheCauseWithItsLog(t *testing.T) {
	p := shell(t, "echo out of luck; exit 3")
	ctx, cancel := p.WhileRunning(t.Context())
	defer cancel()
	<-ctx.Done()
	got := p.Explain(context.Cause(ctx)).Error()
	for _, want := range []string{"the script has ended by itself (exit status 3)", "  out of luck"} {
		if !strings.Contains(got, want) {
			t.Errorf("error is\n%s\nwant %q in it", got, want)
		}
	}
}

func TestInterruptionIsNotExplained(t *testing.T) {
	p := shell(t, "echo quite busy; exec sleep 60")
	stopped := SignalError{Signal: syscall.SIGTERM}
	if got := p.Explain(stopped); !errors.Is(got, stopped) || strings.Contains(got.Error(), "busy") {
		t.Errorf("error is %v, want nothing but %v", got, stopped)
	}
}

func TestAwaitReady(t *testing.T) {
	why := errors.New("the test asked for the end")
	refused := func(int, context.CancelCauseFunc) error { return errors.New("refused") }
	for name, c := range map[string]struct {
		script string
		limit  time.Duration
		ready  func(attempt int, cancel context.CancelCauseFunc) error
		want   string // part of the error; empty: none
	}{
		"ready at the third question": {"exec sleep 60", time.Hour, func(attempt int, _ context.CancelCauseFunc) error {
			return map[bool]error{true: errors.New("not yet")}[attempt < 3]
		}, ""},
		"never ready":                {"exec sleep 60", time.Nanosecond, refused, "the script was not ready after 1ns"},
		"it ends before it is ready": {"exit 3", time.Hour, refused, "the script has ended by itself (exit status 3): "},
		"its context ends": {"exec sleep 60", time.Hour, func(attempt int, cancel context.CancelCauseFunc) error {
			if attempt == 2 {
				cancel(why)
			}

			return errors.New("refused")
		}, why.Error() + ": refused"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			attempt := 0
			err := shell(t, c.script).AwaitReady(ctx, c.limit, func(context.Context) error {
				attempt++

				return c.ready(attempt, cancel)
			})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
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
