// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// interruption is the end of a context that a signal asked for.
type interruption struct{ signal syscall.Signal }

func (i interruption) Error() string { return fmt.Sprintf("stopped (%v)", i.signal) }

func (i interruption) exitCode() int { return 128 + int(i.signal) }

// untilSignal returns a context that ends with an interruption as its cause when someone asks this program to end.
// Call release when there is nothing left to end.
//
// The first signal only starts the orderly end, which takes seconds. People press Ctrl-C again long before that, and
// giving in would leave an API server behind: the second one says so, and only the third ends this program at once.
func untilSignal(parent context.Context, stderr io.Writer) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	// SIGPIPE is among them for `make quickstart | head`: its default would end this program and leave its children.
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		for interrupts := 0; ; {
			received := <-signals
			number, _ := received.(syscall.Signal)
			if ctx.Err() == nil {
				cancel(interruption{signal: number})
			}
			if number != syscall.SIGINT {
				continue
			}
			switch interrupts++; interrupts {
			case 1:
				_, _ = fmt.Fprintln(stderr, "\nEnding everything in order, which takes a few seconds.")
			case 2:
				_, _ = fmt.Fprintln(stderr, "\nStill at it. Another Ctrl-C ends at once and leaves programs and files behind.")
			default:
				os.Exit(interruption{signal: number}.exitCode())
			}
		}
	}()

	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
