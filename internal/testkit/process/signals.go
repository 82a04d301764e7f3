// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// SignalError is the cause of a context that a signal has ended.
type SignalError struct{ Signal syscall.Signal }

func (i SignalError) Error() string { return fmt.Sprintf("stopped (%v)", i.Signal) }

// ExitCode returns 128 and the number of the signal, as shells report it.
func (i SignalError) ExitCode() int { return 128 + int(i.Signal) }

// UntilSignal returns a context and a channel for a program that has children and files to remove. The first signal that asks the program
// to end ends asked, with a SignalError as its cause: the program ends its children in order, which takes seconds.
// A second Ctrl-C or SIGTERM closes hurry: children that are still there are killed. No signal ends the program before its children.
// Call release when there is nothing left to end.
func UntilSignal(parent context.Context, stderr io.Writer) (asked context.Context, hurry <-chan struct{}, release func()) {
	asked, ask := context.WithCancelCause(parent)
	killing := make(chan struct{})
	kill := sync.OnceFunc(func() { close(killing) })
	signals, released := make(chan os.Signal, 16), make(chan struct{}) // signals that come at once must not displace each other
	// SIGPIPE is among the signals for `program | head`: its default would end this program and leave its children.
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		requests := 0
		for {
			var received os.Signal
			select {
			case received = <-signals:
			case <-released:
				return
			}
			number, _ := received.(syscall.Signal)
			ask(SignalError{Signal: number}) // the first cause stays
			if number != syscall.SIGINT && number != syscall.SIGTERM {
				continue
			}
			switch requests++; requests {
			case 1:
				_, _ = fmt.Fprintln(stderr, "\nEnding everything in order, which takes a few seconds. Another Ctrl-C kills what is still running.")
			case 2:
				kill()
				_, _ = fmt.Fprintln(stderr, "\nKilling what is still running.")
			}
		}
	}()

	return asked, killing, func() {
		signal.Stop(signals)
		close(released)
		ask(nil)
		kill()
	}
}
