// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// mintOptions are the flags of bench mint.
type mintOptions struct {
	program                                         string // the path of bin/manager
	workers, keys, rounds, settled, expiring, crowd int
	rest                                            time.Duration
	guardrails                                      bool
}

// mintBench is one run of bench mint.
type mintBench struct {
	*cluster

	options mintOptions
	report  *report
	// operator is the user that mints: the operator, and the raw loop that is compared with it.
	operator account
}

// newMint returns the command that measures the operator from minting to expiry.
func newMint(hurry <-chan struct{}) *cobra.Command {
	var o mintOptions
	command := newCommand("mint", "Measure minting, API calls, memory and expiry of the operator", o.complaint, func(c *cobra.Command) error {
		b := &mintBench{options: o, report: newReport("mint"), operator: administrator()}

		return runBenchmark(c, hurry, b.report, &b.cluster, b.measure)
	})
	flags := command.Flags()
	flags.StringVar(&o.program, "manager", builtProgram("manager"), "`path` of the operator")
	flags.IntVar(&o.workers, "workers", 16, "how many keys the operator, and the raw loop, have under way at once")
	flags.IntVar(&o.keys, "keys", 2000, "how many keys to mint in each round; 0 skips rate and API calls")
	flags.IntVar(&o.rounds, "rounds", 5, "how many rounds of operator and raw loop")
	flags.DurationVar(&o.rest, "rest", 10*time.Second, "how long to count API calls at rest")
	flags.IntVar(&o.expiring, "expiring", 500, "how many keys to let expire in the same second; 0 skips expiry")
	flags.IntVar(&o.crowd, "crowd", 3000, "how many keys one namespace creates at once while another waits for its own; 0 skips fairness")
	flags.IntVar(&o.settled, "settled", 20000, "how many keys to measure memory with; 0 skips memory")
	flags.BoolVar(&o.guardrails, "guardrails", true, "install the guardrails; operator and raw loop then have the account and the rights of the operator")

	return command
}

// complaint returns what makes no sense in the options; empty: nothing.
func (o *mintOptions) complaint() string {
	if o.keys < 0 || o.keys == 1 || o.expiring < 0 || o.settled < 0 || o.crowd < 0 || o.rounds < 1 || o.workers < 1 {
		return "numbers of keys must not be negative (nor --keys 1: there is no rate of one), --rounds and --workers at least 1"
	}

	return ""
}

// measure measures what the options ask for. The operator without keys comes first: later the API server holds history.
func (b *mintBench) measure(ctx context.Context) error {
	if b.options.guardrails {
		if err := b.install(ctx); err != nil {
			return fmt.Errorf("install the guardrails: %w", err)
		}
		b.operator = installedAccount(operatorAccount)
	}
	var empty memory
	if b.options.settled > 0 {
		var err error
		if empty, err = b.emptyMemory(ctx); err != nil {
			return fmt.Errorf("measure the memory of an operator without keys: %w", err)
		}
	}
	for _, part := range []struct {
		keys    int
		name    string
		measure func(context.Context) error
	}{
		{b.options.keys, "minting", b.measureMint},
		{b.options.expiring, "expiry", b.measureExpiry},
		{b.options.crowd, "fairness", b.measureFairness},
		{b.options.settled, "memory", func(ctx context.Context) error { return b.measureMemory(ctx, empty) }},
	} {
		if part.keys == 0 {
			continue
		}
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", part.name, err)
		}
	}

	return nil
}

// withOperator runs the operator for as long as do takes.
func (b *mintBench) withOperator(ctx context.Context, do func(context.Context, *program) error) error {
	kubeconfig, err := b.plane.Kubeconfig(b.operator.name, b.operator.groups...)
	if err != nil {
		return err
	}

	return b.withProgram(ctx, invocation{
		name: "operator", path: b.options.program, target: "bench-mint",
		args: func([]string) []string {
			return []string{
				"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--concurrent-reconciles=" + strconv.Itoa(b.options.workers),
				"--metrics-secure=false", "--require-guardrails=" + strconv.FormatBool(b.options.guardrails),
			}
		},
	}, do)
}

// mintTimeout returns how long minting n keys may take: far longer than on a slow machine.
func mintTimeout(n int) time.Duration { return time.Minute + time.Duration(n)*50*time.Millisecond }
