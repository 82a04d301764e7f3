// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command verifier answers gateways: may a request with this API key pass?
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "verifier: %v\nRun it with --help to see its flags.\n", err)
		os.Exit(2)
	}
	log := newLog(o, os.Stdout)
	setGlobals(log)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process as it stands
	err = run(ctx, o, log)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "verifier:", err)
		os.Exit(1)
	}
}

// newLog makes the log: lines of JSON.
func newLog(o options, to io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: o.logLevel}))
}

// setGlobals tells libraries that have only one logger for all.
func setGlobals(log *slog.Logger) {
	klog.SetSlogLogger(log)
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
}
