// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// runGateway measures gateways that ask the verifier.
func runGateway(ctx context.Context, hurry <-chan struct{}, args []string, stdout, stderr io.Writer) error {
	options, err := parseGatewayFlags(args, stdout, stderr)
	if err != nil {
		return err
	}
	b := &gatewayBench{verifyBench: &verifyBench{options: options, report: newReport("gateway")}}
	err = b.run(ctx, hurry, newProgress(stderr))
	if ctx.Err() != nil {
		err = context.Cause(ctx) // what failed is only the consequence
	}

	return b.report.conclude(stdout, err)
}

// gatewayBench is one run of bench gateway: the servers, keys and load of bench verify, through gateways.
type gatewayBench struct {
	*verifyBench

	// traefik says whether the cluster has what Traefik needs.
	traefik bool
}

func parseGatewayFlags(args []string, stdout, stderr io.Writer) (verifyOptions, error) {
	o := verifyOptions{connections: 1}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.StringVar(&o.program, "verifier", "", "`path` of the verifier (default bin/verifier of this checkout)")
	flags.IntVar(&o.keys, "keys", 1000, "how many keys the cluster has, at least 1")
	flags.IntVar(&o.rounds, "rounds", 5, "how many rounds of each measurement")
	flags.IntVar(&o.seconds, "seconds", 2, "how long a round of load is, in seconds, at least 1")
	flags.IntVar(&o.concurrency, "concurrency", 16, "how many requests are under way at once, each over a connection of its own")
	if err := parseFlags(flags, args, stdout, stderr); err != nil {
		return verifyOptions{}, err
	}
	complaint := o.complaint()
	if o.keys < 1 || o.seconds < 1 {
		complaint = "--keys and --seconds must be at least 1"
	}
	if complaint != "" {
		_, _ = fmt.Fprintf(stderr, "bench gateway: %s\n", complaint)

		return verifyOptions{}, errUsage
	}
	if o.program != "" {
		return o, nil
	}
	root, err := testkit.Root()
	o.program = filepath.Join(root, "bin", "verifier")

	return o, err
}

// run measures every gateway that is installed.
func (b *gatewayBench) run(ctx context.Context, hurry <-chan struct{}, log *progress) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	if b.cluster, err = startCluster(ctx, hurry, log); err != nil {
		return err
	}
	err = func() error {
		if b.certificates, err = makeCertificate(b.plane.Folder()); err != nil {
			return err
		}
		if err := b.stockCluster(ctx); err != nil {
			return fmt.Errorf("give the cluster keys: %w", err)
		}

		return b.withVerifier(ctx, func(ctx context.Context, verifier *program) error {
			return b.withBaseline(ctx, func(ctx context.Context, baseline *program) error {
				return b.measureGateways(ctx, root, verifier, baseline)
			})
		})
	}()

	return errors.Join(err, b.stop())
}

func (b *gatewayBench) measureGateways(ctx context.Context, root string, verifier, baseline *program) error {
	for _, g := range gateways(root) {
		path, err := exec.LookPath(g.program)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + g.program) // not on everybody's PATH
		}
		if err != nil {
			b.log.printf("%s: there is no %s here", g.name, g.program)

			continue
		}
		g.program = path
		if err := b.measureGateway(ctx, g, verifier, baseline); err != nil {
			return fmt.Errorf("measure %s: %w", g.name, err)
		}
	}
	b.report.explain("Requests: %d rounds of %d s each, in turns, after one that does not count; %d requests under way at once, each over a kept connection.\n"+
		"The gateway runs from its sample with one worker and asks over TLS; every request with another of %d keys. Beside it runs the same\n"+
		"gateway that asks a server that allows everything and looks at nothing: with no header, and with those that the verifier sends.\n"+
		"The API, the gateways, both servers and the client share the processors. Ratios are medians over the rounds.",
		b.options.rounds, b.options.seconds, b.options.concurrency, b.options.keys)

	return nil
}

// measureGateway compares a gateway that asks the verifier with the same one that asks the baseline.
func (b *gatewayBench) measureGateway(ctx context.Context, g gatewaySample, verifier, baseline *program) error {
	for _, other := range []struct{ says, path string }{{"nothing more", forwardauth.Path}, {"the same headers", headersPath}} {
		if g.needsHeaders && other.path != headersPath {
			continue
		}
		api, _, _ := strings.Cut(strings.TrimPrefix(baseline.ready, "http://"), "/") // which answers 200 there to everything
		asks := func(server *program, path string) upstreams {
			return upstreams{verifier: server.addresses[httpAddress], path: path, api: api}
		}
		err := b.withGateway(ctx, g, asks(verifier, forwardauth.Path), func(ctx context.Context, ours *program) error {
			return b.withGateway(ctx, g, asks(baseline, other.path), func(ctx context.Context, theirs *program) error {
				return b.compareGateways(ctx, g, other.says, [2]*program{ours, verifier}, [2]*program{theirs, baseline})
			})
		})
		if err != nil {
			return err
		}
	}

	return nil
}

// compareGateways puts two gateways under load in turns. The processor time is that of the server which each asks.
func (b *gatewayBench) compareGateways(ctx context.Context, g gatewaySample, says string, ours, theirs [2]*program) error {
	v, err := b.overURL(ours[1], customers(ours[0]), "")
	if err != nil {
		return err
	}
	defer v.close()
	yes, err := b.overURL(theirs[1], customers(theirs[0]), "")
	if err != nil {
		return err
	}
	defer yes.close()
	if err := b.compete(ctx, g.name+", yes with "+says, v, yes); err != nil {
		return err
	}
	key := "gateway." + strings.ToLower(g.name) + map[bool]string{true: ".headers"}[says == "the same headers"]
	rates := ratios(v.each(volley.rate), yes.each(volley.rate))
	b.report.add(figure{
		Key: key + ".rate_ratio", Name: g.name + " requests/s, verifier / yes with " + says, Value: median(rates), Aim: &aim{atLeast, 0.95}, Note: "rounds " + spread(rates),
	})
	b.report.add(figure{Key: key + ".rate", Name: "  asking the verifier", Value: median(v.each(volley.rate)), Unit: "1/s"})
	b.report.add(figure{Key: key + ".baseline_rate", Name: "  asking the other", Value: median(yes.each(volley.rate)), Unit: "1/s"})

	return nil
}

// customers is what clients ask a gateway for.
func customers(gateway *program) string { return "http://" + gateway.addresses[0] + "/customers/7" }
