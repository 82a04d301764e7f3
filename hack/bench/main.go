// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the operator and the verifier against a real etcd and kube-apiserver that it starts itself.
// Each benchmark prints a table and, where BENCH_JSON names a file, writes the same figures into it as JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// Exit codes. A figure that misses its aim is a result and no failure. A benchmark that was interrupted exits with 128 and
// the number of the signal.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// errUsage is the error of a command line that makes no sense; what is wrong with it has been printed.
var errUsage = errors.New("usage")

// A command is one benchmark.
type command struct {
	name    string
	summary string
	// hidden commands are for benchmarks that start this program as a child.
	hidden bool
	// run ends in order when ctx ends, and at once when hurry is closed.
	run func(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{name: "mint", summary: "minting, API calls, memory and expiry of the operator", run: runMint},
		{name: "verify", summary: "gRPC, HTTP, Unix sockets, memory and propagation of the verifier", run: runVerify},
		{name: "gateway", summary: "gateways that ask the verifier, beside the same ones asking a server that always says yes", run: runGateway},
		{name: baselineCommand, summary: "servers that let every request pass", run: runBaseline, hidden: true},
	}
}

func main() {
	ctrllog.SetLogger(logr.Discard()) // controller-runtime warns when nobody chose a logger; errors reach us as errors
	ctx, hurry, release := process.UntilSignal(context.Background(), os.Stderr)
	code := dispatch(ctx, hurry, os.Args[1:], os.Stdout, os.Stderr)
	release()
	os.Exit(code)
}

// dispatch runs the benchmark that the arguments name and returns the exit code.
func dispatch(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printUsage(stderr)

		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printUsage(stdout)

		return exitOK
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}

		return exitCode(stderr, c.name, c.run(ctx, hurry, args[1:], stdout, stderr))
	}
	_, _ = fmt.Fprintf(stderr, "bench: there is no benchmark %q\n\n", args[0])
	printUsage(stderr)

	return exitUsage
}

func exitCode(stderr io.Writer, name string, err error) int {
	var signal process.SignalError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &signal):
		_, _ = fmt.Fprintf(stderr, "bench %s: %v\n", name, err)

		return signal.ExitCode()
	case errors.Is(err, errUsage):
		return exitUsage
	default:
		_, _ = fmt.Fprintf(stderr, "bench %s: %v\n", name, err)

		return exitFailed
	}
}

func printUsage(w io.Writer) {
	_, _ = fmt.Fprint(w, "Usage: bench <benchmark> [flags]\n\nBenchmarks:\n")
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		_, _ = fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	_, _ = fmt.Fprint(w, "\n'bench <benchmark> --help' lists the flags of a benchmark.\n"+
		"BENCH_JSON=file writes the figures into that file as JSON too.\n")
}

// parseFlags parses the arguments of a benchmark, which are flags and nothing else. complaint returns what is wrong with their values; it may
// be nil. parseFlags returns flag.ErrHelp after printing the help that was asked for, and errUsage after printing what is wrong.
func parseFlags(flags *flag.FlagSet, args []string, stdout, stderr io.Writer, complaint func() string) error {
	flags.SetOutput(io.Discard) // help goes to stdout, and mistakes to stderr
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil && complaint != nil && complaint() != "" {
		err = errors.New(complaint())
	}
	out := stderr
	switch {
	case err == nil:
		return nil
	case errors.Is(err, flag.ErrHelp):
		out = stdout
	default:
		_, _ = fmt.Fprintf(stderr, "bench %s: %v\n\n", flags.Name(), err)
		err = errUsage
	}
	_, _ = fmt.Fprintf(out, "Flags of bench %s:\n", flags.Name())
	flags.SetOutput(out)
	flags.PrintDefaults()

	return err
}
