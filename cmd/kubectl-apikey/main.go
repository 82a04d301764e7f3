// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command kubectl-apikey is the plugin behind `kubectl apikey`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
	"github.com/apikey-operator/apikey-operator/internal/cli"
)

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code.
func run(args []string) int {
	ctrllog.SetLogger(logr.Discard()) // what goes wrong comes back as an error
	klog.SetLogger(logr.Discard())
	ctx, stop := untilSignal()
	defer stop()

	return cli.Run(ctx, args, cli.Environment{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal: printers.IsTerminal(os.Stdin), OutTerminal: printers.IsTerminal(os.Stdout),
		Colour: printers.AllowsColorOutput(os.Stdout),
		Clock:  clock.RealClock{},
		Build:  buildinfo.Read(),

		OpenBrowser: cli.OpenBrowser,
	})
}

// untilSignal returns a context that the first Ctrl-C or SIGTERM ends. A second one ends the process.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		received, ok := (<-signals).(syscall.Signal)
		signal.Stop(signals)
		if ok {
			cancel(cli.InterruptError{Signal: received})
		}
	}()

	return ctx, func() { signal.Stop(signals) }
}
