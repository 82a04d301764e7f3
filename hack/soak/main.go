// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command soak runs two operators and two verifiers against a real etcd and kube-apiserver while users churn keys and everything fails, and
// checks every answer of the verifiers. Package schedule draws what happens, package oracle judges it.
//
// The files: cluster.go and replica.go start the programs, faults.go makes them fail, users*.go carry out operations, observer.go and
// vault.go follow APIKeys and Secrets, asker.go asks the verifiers, calm.go checks what has to hold in the end, report.go prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// Exit codes. A soak that was interrupted exits with 128 and the number of the signal.
const (
	exitOK     = 0
	exitFailed = 1 // a rule was broken, or the soak could not run
	exitUsage  = 2
)

const usage = `Usage: soak [flags]

Starts etcd, kube-apiserver, kube-controller-manager, two operators with leader election and two verifiers on loopback. Users create,
rotate, suspend, revoke, claim and delete keys; their Secrets and statuses are deleted, edited and restored. Meanwhile
processes are killed and stopped, API server and etcd too, and connections are cut. An oracle that knows every key checks what the
verifiers answer. It prints figures, and each broken rule, with exit code 1.

Ctrl-C ends everything that was started. It needs the programs that ` + "`make build kube`" + ` puts into bin.

Flags:
`

// options are the command line.
type options struct {
	schedule.Options

	operator, verifier string // the paths of bin/manager and bin/verifier
}

func main() {
	ctrllog.SetLogger(logr.Discard()) // errors are counted or returned
	klog.SetLogger(logr.Discard())    // of client-go, about connections that break
	ctx, hurry, release := process.UntilSignal(context.Background(), os.Stderr)
	// Connections break here, and a write to one would count as the reader of stdout having gone.
	signal.Ignore(syscall.SIGPIPE)
	code := run(ctx, hurry, os.Args[1:], os.Stdout, os.Stderr)
	release()
	os.Exit(code)
}

// run returns the exit code.
func run(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "soak: %v\nRun it with --help to see how it is used.\n", err)

		return exitUsage
	}
	_, _ = fmt.Fprintf(stdout, "soak: seed %d, %d keys, %s\n", o.Seed, o.Keys, o.Duration)
	s, err := newSoak(ctx, hurry, o, stderr)
	if err == nil {
		err = errors.Join(s.run(ctx), s.stop())
	}
	var interruption process.SignalError
	switch {
	case errors.As(context.Cause(ctx), &interruption):
		_, _ = fmt.Fprintf(stderr, "soak: %v\n", interruption)

		return interruption.ExitCode()
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "soak: %v\n", err)

		return exitFailed
	}

	return s.print(stdout)
}

// parse reads the command line. It answers --help itself.
func parse(args []string, help io.Writer) (o options, err error) {
	root, err := testkit.Root()
	if err != nil {
		return o, err
	}
	flags := pflag.NewFlagSet("soak", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.DurationVar(&o.Duration, "duration", 5*time.Minute, "how long operations and faults go on; the checks after them take up to 3 minutes more")
	flags.IntVar(&o.Keys, "keys", 200, "number of APIKeys at a time")
	flags.Uint64Var(&o.Seed, "seed", 0, "of the schedule of operations and faults; 0: another one each time")
	flags.StringVar(&o.operator, "manager", filepath.Join(root, "bin", "manager"), "`path` of the operator")
	flags.StringVar(&o.verifier, "verifier", filepath.Join(root, "bin", "verifier"), "`path` of the verifier")
	flags.Usage = func() { _, _ = io.WriteString(help, usage+flags.FlagUsages()) }
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: it takes flags only", flags.Arg(0))
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64() >> 1 //nolint:gosec // it selects a schedule
	}

	return o, o.Check()
}
