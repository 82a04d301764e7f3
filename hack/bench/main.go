// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the operator and the verifier against a real etcd and kube-apiserver that it starts itself. Each benchmark prints a
// table and, where BENCH_JSON names a file, writes the same figures into it as JSON. The benchmark leaked needs neither: it measures how
// fast the plugin searches text.
//
// The files are grouped by benchmark: mint_*.go, verify_*.go, gateway_*.go, outage_*.go and leaked.go. All but leaked use cluster.go (the
// control plane and the programs under test), keys.go (the APIKeys), apicalls.go and metrics.go (the counters), and report.go (the figures).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// Exit codes. A figure that misses its aim is a result and no failure. A benchmark that was interrupted exits with 128 and
// the number of the signal.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in the command line.
type usageError struct{ error }

func main() {
	ctrllog.SetLogger(logr.Discard()) // controller-runtime warns without a logger; errors come back as errors
	ctx, hurry, release := process.UntilSignal(context.Background(), os.Stderr)
	code := dispatch(ctx, hurry, os.Args[1:], os.Stdout, os.Stderr)
	release()
	os.Exit(code)
}

// dispatch runs the benchmark that the arguments name and returns the exit code. A benchmark ends in order when ctx ends, and at once when
// hurry is closed.
func dispatch(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) int {
	root := newRoot(hurry) //nolint:contextcheck // cobra hands the context of ExecuteContextC to the benchmark
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", command.CommandPath(), err)
	var signal process.SignalError
	switch {
	case errors.As(err, &signal):
		return signal.ExitCode()
	case errors.As(err, new(usageError)):
		_, _ = fmt.Fprintf(stderr, "\n%s", command.UsageString())

		return exitUsage
	default:
		return exitFailed
	}
}

func newRoot(hurry <-chan struct{}) *cobra.Command {
	root := &cobra.Command{
		Use: "bench", Short: "Measure the operator and the verifier", SilenceErrors: true, SilenceUsage: true,
		Long: "Measure the operator and the verifier. BENCH_JSON=file writes the figures into that file as JSON too.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no benchmark %q", args[0])}
			}

			return usageError{errors.New("name a benchmark")}
		},
		Run: func(*cobra.Command, []string) {}, // without it cobra prints help and does not call Args
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newMint(hurry), newVerify(hurry), newGateway(hurry), newScale(hurry), newOutage(hurry), newLeaked(), newBaseline())

	return root
}

// newCommand returns the command of a benchmark, which takes flags and nothing else. complaint returns what makes no sense in them; empty:
// nothing.
func newCommand(use, short string, complaint func() string, run func(*cobra.Command) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unexpected argument %q", args[0])}
			}
			if wrong := complaint(); wrong != "" {
				return usageError{errors.New(wrong)}
			}

			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return run(command) },
	}
}
