// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// mintOptions are the flags of bench mint.
type mintOptions struct {
	launch

	keys, rounds, settled, expiring, crowd int
	rest                                   time.Duration
}

// mintBench is one run of bench mint.
type mintBench struct {
	*cluster

	options mintOptions
	report  *report
}

// runMint measures what the operator does with APIKeys from first to last.
func runMint(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) error {
	options, err := parseMintFlags(args, stdout, stderr)
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, hurry, newProgress(stderr))
	if err != nil {
		return err
	}
	b := &mintBench{cluster: c, options: options, report: newReport("mint")}
	err = b.run(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // what failed is only the consequence
	}
	err = errors.Join(err, c.stop())

	return b.report.conclude(stdout, err)
}

func parseMintFlags(args []string, stdout, stderr io.Writer) (mintOptions, error) {
	var o mintOptions
	flags := flag.NewFlagSet("mint", flag.ContinueOnError)
	flags.StringVar(&o.program, "manager", "", "`path` of the operator (default bin/manager of this checkout)")
	flags.IntVar(&o.workers, "workers", 16, "how many keys the operator, and the raw loop, have under way at once")
	flags.IntVar(&o.keys, "keys", 2000, "how many keys to mint in each round; 0 skips rate and API calls")
	flags.IntVar(&o.rounds, "rounds", 3, "how many rounds of operator and raw loop")
	flags.DurationVar(&o.rest, "rest", 10*time.Second, "how long to count API calls at rest")
	flags.IntVar(&o.expiring, "expiring", 500, "how many keys to let expire in the same second; 0 skips expiry")
	flags.IntVar(&o.crowd, "crowd", 3000, "how many keys one namespace creates at once while another waits for its own; 0 skips fairness")
	flags.IntVar(&o.settled, "settled", 20000, "how many keys to measure memory with; 0 skips memory")
	if err := parseFlags(flags, args, stdout, stderr); err != nil {
		return mintOptions{}, err
	}
	if o.keys < 0 || o.keys == 1 || o.expiring < 0 || o.settled < 0 || o.crowd < 0 || o.rounds < 1 || o.workers < 1 {
		_, _ = fmt.Fprintln(stderr, "bench mint: numbers of keys must not be negative (nor --keys 1: there is no rate of one), "+
			"--rounds and --workers at least 1")

		return mintOptions{}, errUsage
	}
	if o.program != "" {
		return o, nil
	}
	root, err := testkit.Root()
	o.program = filepath.Join(root, "bin", "manager")

	return o, err
}

// run measures what the options ask for. The empty operator comes first: later the API server holds history.
func (b *mintBench) run(ctx context.Context) error {
	var empty memory
	if b.options.settled > 0 {
		var err error
		if empty, err = b.emptyMemory(ctx); err != nil {
			return fmt.Errorf("measure the memory of an operator without keys: %w", err)
		}
	}
	if b.options.keys > 0 {
		if err := b.measureMint(ctx); err != nil {
			return fmt.Errorf("measure minting: %w", err)
		}
	}
	if b.options.expiring > 0 {
		if err := b.measureExpiry(ctx); err != nil {
			return fmt.Errorf("measure expiry: %w", err)
		}
	}
	if b.options.crowd > 0 {
		if err := b.measureFairness(ctx); err != nil {
			return fmt.Errorf("measure fairness: %w", err)
		}
	}
	if b.options.settled > 0 {
		if err := b.measureMemory(ctx, empty); err != nil {
			return fmt.Errorf("measure memory: %w", err)
		}
	}

	return nil
}

// mintTimeout is how long minting so many keys may take: far longer than on a slow machine.
func mintTimeout(n int) time.Duration { return time.Minute + time.Duration(n)*50*time.Millisecond }

// withTimeout bounds a step and names it in the error.
func withTimeout(ctx context.Context, d time.Duration, step string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%s took longer than %s", step, d))
}
