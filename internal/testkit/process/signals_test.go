// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// raise sends a signal to this process.
func raise(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), signal); err != nil {
		t.Fatal(err)
	}
}

// await waits until a channel is closed.
func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s has not ended", what)
	}
}

func TestUntilSignal(t *testing.T) {
	for number, code := range map[syscall.Signal]int{
		syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129, syscall.SIGPIPE: 141,
	} {
		t.Run(number.String(), func(t *testing.T) {
			seen := make(chan os.Signal, 16) // also keeps the defaults away, which would end this test
			signal.Notify(seen, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
			defer signal.Stop(seen)
			asked, hurry, release := process.UntilSignal(t.Context(), io.Discard)
			defer release()
			raise(t, number)
			await(t, "asked", asked.Done())
			var interruption process.SignalError
			if !errors.As(context.Cause(asked), &interruption) || interruption.ExitCode() != code {
				t.Errorf("the cause is %v, want exit code %d", context.Cause(asked), code)
			}
			select {
			case <-hurry:
				t.Error("the first signal hurries already")
			default:
			}
			raise(t, syscall.SIGPIPE) // comes with every line that is printed: no reason to hurry
			raise(t, syscall.SIGTERM)
			if number != syscall.SIGINT && number != syscall.SIGTERM {
				raise(t, syscall.SIGINT) // SIGTERM was the first request
			}
			await(t, "hurry", hurry)
			raise(t, syscall.SIGINT) // one more ends nothing else: this process goes on
			for interrupts := 0; interrupts < map[bool]int{true: 1, false: 2}[number == syscall.SIGTERM]; {
				if <-seen == os.Interrupt {
					interrupts++
				}
			}
			if !errors.As(context.Cause(asked), &interruption) || interruption.Signal != number {
				t.Errorf("the cause is %v now", context.Cause(asked))
			}
		})
	}
}

func TestUntilSignalReleased(t *testing.T) {
	asked, hurry, release := process.UntilSignal(t.Context(), io.Discard)
	release()
	await(t, "asked", asked.Done())
	await(t, "hurry", hurry)
	if errors.As(context.Cause(asked), new(process.SignalError)) {
		t.Error("no signal came, and the cause is an interruption")
	}
}
