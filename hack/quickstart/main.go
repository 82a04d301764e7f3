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
	"path/filepath"
	"strconv"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// exitVariable is the environment variable that makes quickstart end after the tour.
const exitVariable = "QUICKSTART_EXIT"

// Exit codes. An interruption before the end of the tour exits with 128 and the number of the signal, as shells do.
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
	ctrllog.SetLogger(logr.Discard()) // errors are returned; other log lines do not belong to the tour
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

// conclude reports how it went and returns the exit code. After a signal that asked for the end, every error
// is a consequence and no failure. conclude still prints which files could not be removed.
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
	flags.SetOutput(io.Discard) // run prints what is wrong
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

// quickstart starts everything, walks through the tour and stays up until ctx ends.
// It returns nil if every step held. Whatever happens, it ends what it started and removes every file; when hurry is closed, it
// kills what has not ended yet.
func quickstart(ctx context.Context, hurry <-chan struct{}, say narrator, exitAfterTour bool) (err error) {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	if err := checkPrograms(root); err != nil {
		return err
	}
	folder, err := temporaryFolder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leftover(os.RemoveAll(folder))) }()

	say.title("The life of an API key, on a Kubernetes API server of its own.")
	say.heading("Starting", "on loopback, with all files in "+folder)
	cluster, err := startCluster(ctx, say, root, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.stop(hurry)) }()

	operator, err := cluster.startOperator(ctx, say)
	if err != nil {
		return err
	}
	defer operator.Stop(hurry, programGrace)

	verifier, asked, err := cluster.startVerifier(ctx, say)
	if err != nil {
		return err
	}
	defer verifier.Stop(hurry, programGrace) // before the API server: its last act is to write what was used

	api, err := startDemo(ctx, say, asked)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.stop(ctx)) }()

	return show(ctx, say, &setup{cluster: cluster, operator: operator, verifier: verifier, api: api}, exitAfterTour)
}

// leftoverError says what could not be removed at the end.
type leftoverError struct{ error }

// leftover marks the error of a removal; nil stays nil.
func leftover(err error) error {
	if err == nil {
		return nil
	}

	return leftoverError{fmt.Errorf("remove what is left yourself: %w", err)}
}

// setup is the programs that the tour uses.
type setup struct {
	cluster            *cluster
	operator, verifier *process.Program
	api                *demo
}

// show walks through the tour and stays up, for as long as the programs do.
func show(ctx context.Context, say narrator, s *setup, exitAfterTour bool) error {
	tourCtx, cancel := s.operator.WhileRunning(ctx)
	defer cancel()
	tourCtx, cancelVerifier := s.verifier.WhileRunning(tourCtx)
	defer cancelVerifier()
	if err := tour(tourCtx, say, s); err != nil {
		return s.explain(err)
	}
	if exitAfterTour {
		return nil
	}
	say.farewell(s)
	<-tourCtx.Done()
	if ctx.Err() != nil { // asked to end, after every step has held
		return nil
	}

	return s.explain(context.Cause(tourCtx))
}

// explain adds the end of the logs to an error.
func (s *setup) explain(err error) error { return s.verifier.Explain(s.operator.Explain(err)) }

// temporaryFolder makes the folder of all files and has every program that is started from here use it too,
// so that removing it removes what a program that failed to start has left.
func temporaryFolder() (string, error) {
	folder, err := os.MkdirTemp("", "apikey-quickstart-")
	if err != nil {
		return "", err
	}

	return folder, os.Setenv("TMPDIR", folder)
}

// checkPrograms returns an error if a program is missing.
func checkPrograms(root string) error {
	programs := []string{
		"bin/manager", "bin/verifier", plugin, "bin/k8s/etcd", "bin/k8s/kube-apiserver", "bin/k8s/kube-controller-manager", "bin/k8s/kubectl",
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(root, program)); err != nil {
			return fmt.Errorf("%w: run `make quickstart`, which builds it", err)
		}
	}
	// bin/k8s is complete; a KUBEBUILDER_ASSETS of setup-envtest has no kube-controller-manager.
	return os.Setenv("KUBEBUILDER_ASSETS", filepath.Join(root, "bin", "k8s"))
}
