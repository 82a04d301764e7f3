// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command quickstart shows the project at work on a real API server of its own: it starts one, starts the operator, the
// verifier and a demo API behind a gateway, walks through the life of an API key, checks every step, and stays up for the
// reader to try more.
//
// Run it with `make quickstart`, which builds what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// exitVariable is the environment variable that makes quickstart end after the tour.
const exitVariable = "QUICKSTART_EXIT"

// Exit codes. One that was interrupted before the tour was over exits with 128 and the number of the signal, as shells do.
const (
	exitHeld  = 0
	exitError = 1
	exitUsage = 2
)

const usage = `Usage: make quickstart

Starts etcd, kube-apiserver, kube-controller-manager, the operator, the verifier and a demo API on loopback,
with free ports, fresh certificates and all files in one temporary folder. Then it walks through the life of
an API key, checks that every step holds, prints what to try next, and stays up until Ctrl-C.
When it ends, for whatever reason, no process and no file is left behind. A second Ctrl-C
kills what has not ended yet.

Environment:
  ` + exitVariable + `=1   end after the tour, with exit code 0 only if every step held
  NO_COLOR=1          no colours (there are none either where the output is not a terminal)
  TMPDIR              where the temporary folder is made

It needs bin/manager, bin/verifier and the programs that ` + "`make kube`" + ` puts into bin/k8s.
`

func main() {
	ctrllog.SetLogger(logr.Discard()) // what goes wrong comes back as an error; the rest would litter the tour
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	exitAfterTour, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, usage)

		return exitHeld
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "quickstart: %v\nRun it with --help to see how it is used.\n", err)

		return exitUsage
	}

	asked, hurry, release := process.UntilSignal(context.Background(), stderr)
	defer release()

	return conclude(quickstart(asked, hurry, newNarrator(stdout), exitAfterTour), context.Cause(asked), stderr)
}

// conclude reports how it went and returns the exit code. When someone asked for the end, every error is a consequence of
// that, and no failure; only what could not be removed is still worth telling.
func conclude(err, cause error, stderr io.Writer) int {
	var signal process.SignalError
	var left leftoverError
	switch {
	case err == nil:
		return exitHeld
	case !errors.As(cause, &signal):
		_, _ = fmt.Fprintf(stderr, "\nquickstart failed: %v\n", err)

		return exitError
	case errors.As(err, &left):
		_, _ = fmt.Fprintf(stderr, "quickstart: %v\n", left)
	}
	_, _ = fmt.Fprintf(stderr, "quickstart: %v before the tour was over\n", signal)

	return signal.ExitCode()
}

// parse reads the command line, which takes nothing but --help, and the environment.
func parse(args []string) (exitAfterTour bool, err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run says what is to be said
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if flags.NArg() > 0 {
		return false, fmt.Errorf("unexpected argument %q: it takes none", flags.Arg(0))
	}
	value := os.Getenv(exitVariable)
	if value == "" {
		return false, nil
	}
	exitAfterTour, err = strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s is %q: set it to 1 to end after the tour, or to 0 to stay up", exitVariable, value)
	}

	return exitAfterTour, nil
}
