// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package verifier wires the verifier together: its command line, its connections, the parts that run, and the order of its end.
package verifier

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
	"google.golang.org/grpc/grpclog"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// maxError is how many bytes of the error that ends the program are printed at most.
const maxError = 4 << 10

// Main runs the verifier with the command line of the process and returns the exit code.
func Main() int {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "verifier: %v\nRun it with --help to see its flags.\n", err)

		return 2
	}
	log := newLog(o, os.Stdout)
	setGlobals(log)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process as it stands
	err = run(ctx, o, log)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "verifier:", server.Scrub(err.Error(), maxError))

		return 1
	}

	return 0
}

// newLog makes the log: lines of JSON, scrubbed of whatever may be a key.
func newLog(o options, to io.Writer) *slog.Logger {
	return slog.New(server.NewLogHandler(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: o.logLevel})))
}

// setGlobals sets the loggers of libraries that have only one logger for all, and of package log. What they write may quote
// what a client or a store has sent, so none of it may reach stderr unscrubbed.
func setGlobals(log *slog.Logger) {
	slog.SetDefault(log)
	klog.SetSlogLogger(log)
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	failures := slog.NewLogLogger(log.Handler(), slog.LevelError).Writer()
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, failures))
}
