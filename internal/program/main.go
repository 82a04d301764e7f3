// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

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

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// Exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// maxError limits the bytes that are printed of the error that ends a program.
const maxError = 4 << 10

// Options are the parsed command line of a program.
type Options interface {
	// Level returns the least level that is logged.
	Level() slog.Level
}

// Main runs a program with the command line of the process, until it ends or the process is asked to stop by SIGINT or SIGTERM.
// A second signal ends the process at once. Main returns the exit code: 2 for a wrong command line, 1 for an error.
func Main[O Options](
	name string, parse func(args []string, help io.Writer) (O, error), run func(ctx context.Context, o O, log *slog.Logger) error,
) int {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\nRun it with --help to see its flags.\n", name, err)

		return exitUsage
	}
	log := NewLog(o.Level(), os.Stdout)
	SetLibraryLogs(log)
	if err := setPings(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)

		return exitFailed
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // restores the default action of a second signal
	if err := run(ctx, o, log); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, server.Scrub(err.Error(), maxError))

		return exitFailed
	}

	return exitOK
}
