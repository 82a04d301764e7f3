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
	"strconv"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// verifyOptions are the flags of bench verify.
type verifyOptions struct {
	program                          string
	coreKeys                         sizes
	keys, rounds, seconds            int
	connections, concurrency, revoke int
	memory                           bool
}

// verifyBench is one run of bench verify.
type verifyBench struct {
	*cluster

	options verifyOptions
	report  *report
	// keys are those of the cluster.
	keys *keyset
	// certificates is a folder with those that both servers show over HTTP; empty: they speak HTTP without TLS.
	certificates string
}

// runVerify measures the verifier.
func runVerify(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) error {
	options, err := parseVerifyFlags(args, stdout, stderr)
	if err != nil {
		return err
	}
	b := &verifyBench{options: options, report: newReport("verify")}
	err = b.run(ctx, hurry, newProgress(stderr))
	if ctx.Err() != nil {
		err = context.Cause(ctx) // what failed is only the consequence
	}

	return b.report.conclude(stdout, err)
}

func parseVerifyFlags(args []string, stdout, stderr io.Writer) (verifyOptions, error) {
	o := verifyOptions{coreKeys: sizes{1_000, 100_000, 1_000_000}}
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.StringVar(&o.program, "verifier", "", "`path` of the verifier (default bin/verifier of this checkout)")
	flags.Var(&o.coreKeys, "core-keys", "how many keys the decision core knows: a `list` of sizes, smallest first; empty skips it")
	flags.IntVar(&o.keys, "keys", 100_000, "how many keys the cluster has; 0 skips all but the decision core")
	flags.IntVar(&o.rounds, "rounds", 5, "how many rounds of each measurement")
	flags.IntVar(&o.seconds, "seconds", 3, "how long a round of load is, in seconds; 0 skips load and propagation")
	flags.IntVar(&o.connections, "connections", 4, "how many gRPC connections the load comes over")
	flags.IntVar(&o.concurrency, "concurrency", 64, "how many requests are under way at once; over HTTP each has a connection of its own")
	flags.IntVar(&o.revoke, "revocations", 2000, "how many keys to revoke under load, fewer than --keys; 0 skips propagation")
	flags.BoolVar(&o.memory, "memory", true, "measure memory, which takes minutes of waiting for garbage collections")
	if err := parseFlags(flags, args, stdout, stderr); err != nil {
		return verifyOptions{}, err
	}
	if complaint := o.complaint(); complaint != "" {
		_, _ = fmt.Fprintf(stderr, "bench verify: %s\n", complaint)

		return verifyOptions{}, errUsage
	}
	if o.program != "" {
		return o, nil
	}
	root, err := testkit.Root()
	o.program = filepath.Join(root, "bin", "verifier")

	return o, err
}

// complaint is what does not make sense in the options; empty: nothing.
func (o *verifyOptions) complaint() string {
	switch {
	case o.keys < 0 || o.seconds < 0 || o.revoke < 0:
		return "--keys, --seconds and --revocations must not be negative"
	case o.rounds < 1 || o.connections < 1 || o.concurrency < 1:
		return "--rounds, --connections and --concurrency must be at least 1"
	case o.keys > 0 && o.revoke >= o.keys:
		return "--revocations must be fewer than --keys: the load needs keys that live"
	default:
		return ""
	}
}

// run measures what the options ask for. The decision core comes first, while nothing else runs.
func (b *verifyBench) run(ctx context.Context, hurry <-chan struct{}, log *progress) error {
	if err := b.measureCore(ctx, log); err != nil {
		return fmt.Errorf("measure the decision core: %w", err)
	}
	if b.options.keys == 0 {
		return nil
	}
	var err error
	if b.cluster, err = startCluster(ctx, hurry, log); err != nil {
		return err
	}

	return errors.Join(b.measureServer(ctx), b.stop())
}

// measureServer measures the program. The empty one comes first: later the cluster has keys.
func (b *verifyBench) measureServer(ctx context.Context) error {
	var empty memory
	var err error
	if b.options.memory {
		if empty, err = b.verifierMemory(ctx, 0); err != nil {
			return fmt.Errorf("measure the memory of a verifier without keys: %w", err)
		}
	}
	if err := b.stockCluster(ctx); err != nil {
		return fmt.Errorf("give the cluster keys: %w", err)
	}
	if b.options.memory {
		full, err := b.verifierMemory(ctx, b.options.keys)
		if err != nil {
			return fmt.Errorf("measure the memory of a verifier with keys: %w", err)
		}
		b.reportMemory(empty, full)
	}
	if b.options.seconds == 0 {
		return nil
	}

	return b.withVerifier(ctx, b.measureAnswers)
}

// measureAnswers measures how fast the verifier answers, and how soon it knows of changes.
func (b *verifyBench) measureAnswers(ctx context.Context, verifier *program) error {
	var capacity float64
	err := b.withBaseline(ctx, func(ctx context.Context, baseline *program) error {
		var err error
		if capacity, err = b.measureGRPC(ctx, verifier, baseline); err != nil {
			return fmt.Errorf("measure gRPC: %w", err)
		}
		if err = b.measureHTTP(ctx, verifier, baseline); err != nil {
			return fmt.Errorf("measure HTTP: %w", err)
		}
		if err = b.measureSockets(ctx, verifier); err != nil {
			return fmt.Errorf("measure Unix sockets: %w", err)
		}

		return nil
	})
	if err != nil || b.options.revoke == 0 {
		return err
	}
	if err := b.measurePropagation(ctx, verifier, capacity); err != nil {
		return fmt.Errorf("measure propagation: %w", err)
	}

	return nil
}

// sizes is a flag: numbers with commas between them.
type sizes []int

// String implements flag.Value.
func (s *sizes) String() string {
	words := make([]string, 0, len(*s))
	for _, n := range *s {
		words = append(words, strconv.Itoa(n))
	}

	return strings.Join(words, ",")
}

// Set implements flag.Value. Each size must be larger than the one before it.
func (s *sizes) Set(list string) error {
	*s = nil
	if list == "" {
		return nil
	}
	last := 0
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return errors.New("must be numbers with commas between them")
		}
		if n <= last {
			return errors.New("each must be positive and larger than the one before")
		}
		last = n
		*s = append(*s, n)
	}

	return nil
}

// loadTime is how long a round of load takes.
func (o *verifyOptions) loadTime() time.Duration { return time.Duration(o.seconds) * time.Second }
