// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command await waits until an API server goes by what `make install`, `make deploy` or `make uninstall` has just applied or
// deleted. It acts on the current context of the reader's kubeconfig, as kubectl does.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	"github.com/apikey-operator/apikey-operator/internal/installation"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `Usage: await [flags] crds|guardrails|removal

  crds         wait until the API server serves the CRDs
  guardrails   wait until it also refuses what the guardrails must refuse, and passes what they must pass
  removal      wait until no guardrail refuses anything any more

It sends requests whose answer is known to the current context of your kubeconfig. Nearly all are dry runs; what is
made for the others has the name guardrail-probe-<random> and is deleted at the end.

Flags:
`

// options are what the command line says.
type options struct {
	what    string
	kubectl string
	limit   time.Duration
	// namespace is that of the requests; empty: that of the operator.
	namespace string
}

func main() {
	ctrllog.SetLogger(logr.Discard()) // errors reach the reader as errors
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "await: %v\nRun it with --help to see how it is used.\n", err)

		return exitUsage
	}
	if err := o.await(ctx, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "await: %v\n", err)

		return exitFailed
	}

	return exitOK
}

// parse reads the command line.
func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("await", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run says what is wrong
	flags.StringVar(&o.kubectl, "kubectl", "kubectl", "the command whose kubeconfig and context are used, with arguments if it needs some")
	flags.DurationVar(&o.limit, "limit", installation.Limit, "how long to wait")
	flags.StringVar(&o.namespace, "namespace", "",
		"namespace of the requests about guardrails, one of --namespaces where the operator has rights in these only; empty: that of the operator")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = io.WriteString(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}

		return options{}, err
	}
	if o.what = flags.Arg(0); flags.NArg() != 1 || !slices.Contains([]string{"crds", "guardrails", "removal"}, o.what) {
		return options{}, fmt.Errorf("got %q, want one of crds, guardrails and removal", flags.Args())
	}
	if o.limit <= 0 {
		return options{}, fmt.Errorf("--limit is %s, want more than 0", o.limit)
	}

	return o, nil
}

// await waits for what the command line says, and tells when that holds.
func (o options) await(ctx context.Context, stdout io.Writer) error {
	config, err := configOf(ctx, o.kubectl)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not after %s", o.limit))
	defer cancel()
	switch o.what {
	case "crds":
		if err := installation.AwaitCRDs(limited, config); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(stdout, "The API server serves the CRDs.")
	case "removal":
		if err := installation.AwaitRemoval(limited, config); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(stdout, "No guardrail is in force any more.")
	default:
		notes, err := installation.AwaitGuardrailsIn(limited, config, o.namespace)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(stdout, "The guardrails are in force.")
		for _, note := range notes {
			_, _ = fmt.Fprintf(stdout, "  not found out: %s\n", note)
		}
	}

	return nil
}

// configOf returns what a kubectl connects with. The kubectl itself says so, because it may have been given a kubeconfig
// or a context on its command line. Without a kubeconfig it is that of the pod that this runs in.
func configOf(ctx context.Context, kubectl string) (*rest.Config, error) {
	words := strings.Fields(kubectl)
	if len(words) == 0 {
		return nil, errors.New("--kubectl is empty")
	}
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], "config", "view", "--raw", "--minify", "--flatten", "--output=json")...)
	cmd.Stderr = &complaint
	kubeconfig, err := cmd.Output()
	if err != nil {
		if config, inCluster := rest.InClusterConfig(); inCluster == nil {
			return config, nil
		}

		return nil, fmt.Errorf("ask %q for its kubeconfig: %w\n%s", kubectl, err, complaint.String())
	}

	return clientcmd.RESTConfigFromKubeConfig(kubeconfig)
}
