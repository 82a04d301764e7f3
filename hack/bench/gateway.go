// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/cert"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// verifierName is the name in the certificate of the verifier that the samples expect.
const verifierName = "apikey-operator-verifier.apikey-operator-system.svc"

// gatewayBench is one run of bench gateway: the servers, keys and load of bench verify, through gateways.
type gatewayBench struct {
	*verifyBench

	// withLimits says whether every key has a rate limit, which is kept in a store.
	withLimits bool
	// only is the name of the gateway to measure; empty: all.
	only string
	// api is the address of the API behind the gateways.
	api string
	// traefikInstalled reports whether the cluster has the CRDs of Traefik.
	traefikInstalled bool
}

// newGateway returns the command that measures gateways.
func newGateway(hurry <-chan struct{}) *cobra.Command {
	o := verifyOptions{connections: 1}
	var withLimits bool
	var only string
	complaint := func() string {
		if o.seconds < 1 {
			return "--seconds must be at least 1"
		}
		if _, known := testkit.GatewaySamples()[only]; only != "" && !known {
			return fmt.Sprintf("--only must be one of %s", strings.Join(slices.Sorted(maps.Keys(testkit.GatewaySamples())), ", "))
		}

		return o.complaint()
	}
	short := "Measure gateways that ask the verifier, beside the same ones asking a server that always says yes"
	command := newCommand("gateway", short, complaint, func(c *cobra.Command) error {
		b := &gatewayBench{verifyBench: &verifyBench{options: o, report: newReport("gateway"), account: administrator()}, withLimits: withLimits, only: only}

		return runBenchmark(c, hurry, b.report, &b.cluster, b.measure)
	})
	o.addFlags(command.Flags(), verifyOptions{keys: 100_000, seconds: 2, concurrency: 16})
	command.Flags().BoolVar(&withLimits, "store", false, "give each key a rate limit, and keep the limits in a Valkey or Redis")
	command.Flags().StringVar(&only, "only", "", "`name` of the gateway to measure, such as nginx; empty: each that is installed")

	return command
}

// measure measures every gateway that is installed.
func (b *gatewayBench) measure(ctx context.Context) (err error) {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	if b.certificates, err = makeCertificate(b.plane.Folder()); err != nil {
		return err
	}
	wanted := b.seeds()
	if b.withLimits {
		wanted.limited = 1
	}
	if b.keys, _, err = b.seedKeys(ctx, wanted); err != nil {
		return fmt.Errorf("give the cluster keys: %w", err)
	}
	if !b.withLimits {
		return b.measureAll(ctx, root)
	}

	return b.withStore(ctx, func(ctx context.Context, _ *program) error { return b.measureAll(ctx, root) })
}

// measureAll measures every gateway with one verifier, one baseline and one API.
func (b *gatewayBench) measureAll(ctx context.Context, root string) error {
	return b.withAPI(ctx, func(ctx context.Context) error {
		return b.withVerifier(ctx, func(ctx context.Context, verifier *program) error {
			return b.withBaseline(ctx, "baseline", func(ctx context.Context, baseline *program) error {
				if err := b.measureGateways(ctx, root, verifier, baseline); err != nil || !b.withLimits {
					return err
				}

				return b.reportStore(ctx, verifier)
			})
		})
	})
}

// withAPI runs the API behind the gateways, which answers 200 to everything. It is a process of its own: in the process of the
// baseline it would spare the baseline, and only the baseline, the wake-up of a process for each request.
func (b *gatewayBench) withAPI(ctx context.Context, do func(context.Context) error) error {
	return b.withBaseline(ctx, "api", func(ctx context.Context, api *program) error {
		b.api, _, _ = strings.Cut(strings.TrimPrefix(api.ready, "http://"), "/")

		return do(ctx)
	})
}

// makeCertificate writes a certificate for the name of the verifier, and its authority, into a folder of its own.
func makeCertificate(parent string) (folder string, err error) {
	folder = filepath.Join(parent, "certificates")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", err
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey(verifierName, nil, nil)
	if err != nil {
		return "", err
	}

	return folder, errors.Join(
		os.WriteFile(filepath.Join(folder, "tls.crt"), certificate, 0o600), os.WriteFile(filepath.Join(folder, "tls.key"), key, 0o600),
	)
}

func (b *gatewayBench) measureGateways(ctx context.Context, root string, verifier, baseline *program) error {
	samples := testkit.GatewaySamples()
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		if b.only != "" && name != b.only {
			continue
		}
		g := gatewaySample{GatewaySample: samples[name], name: name}
		if g.InCluster {
			g.Program = filepath.Join(root, "bin", "gateways", g.Program)
		}
		path, err := exec.LookPath(g.Program)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + g.Program) // often not on PATH
		}
		if err != nil {
			b.log.Printf("%s: there is no %s here", g.name, g.Program)

			continue
		}
		g.Program = path
		if err := b.measureGateway(ctx, g, verifier, baseline); err != nil {
			return fmt.Errorf("measure %s: %w", g.name, err)
		}
	}
	b.report.explain("Requests: %d rounds of %d s each, in turns, after one that does not count; %d requests under way at once, each over a kept connection.\n"+
		"The gateway runs from its sample with one worker and asks over TLS; every request with another of %d keys, %s. Beside it runs the same\n"+
		"gateway that asks a server that allows everything and looks at nothing: with no header, and with those that the verifier sends.\n"+
		"The API, the gateways, both servers and the client share the processors, each in a process of its own. Ratios are medians over\n"+
		"the rounds.",
		b.options.rounds, b.options.seconds, b.options.concurrency, b.options.keys,
		map[bool]string{false: "every tenth with a rate limit in memory", true: "each with a rate limit in a store"}[b.withLimits])

	return nil
}

// measureGateway compares a gateway that asks the verifier with the same one that asks the baseline.
func (b *gatewayBench) measureGateway(ctx context.Context, g gatewaySample, verifier, baseline *program) error {
	for _, other := range []struct{ says, path string }{{"nothing more", forwardauth.Path}, {"the same headers", headersPath}} {
		if g.name == "HAProxy" && other.path != headersPath { // its script takes no answer without all headers
			continue
		}
		asks := func(server *program, path string) upstreams {
			return upstreams{verifier: server.addresses[httpAddress], path: path, api: b.api}
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
	of := func(p [2]*program) func() (*loadTarget, error) {
		return b.overURL(p[1], "http://"+p[0].addresses[0]+"/customers/7", "")
	}

	return b.compare(ctx, comparison{g.name + ", yes with " + says, of(ours), of(theirs), func(_ string, v, yes *loadTarget) {
		b.reportGateway(g.name, says, v, yes)
	}})
}

// reportGateway reports a gateway that asks the verifier and the same one that asks the baseline.
func (b *gatewayBench) reportGateway(gateway, says string, v, yes *loadTarget) {
	key := "gateway." + strings.ToLower(gateway) + map[bool]string{true: ".headers"}[says == "the same headers"]
	name := fmt.Sprintf("%s, TLS, %d keys%s", gateway, b.options.keys, map[bool]string{true: ", store of limits"}[b.withLimits])
	b.report.add(
		ratioFigure(key+".rate_ratio", name+": requests/s, verifier / yes with "+says, v, yes, loadRound.rate, &aim{atLeast, 0.95}),
		figure{Key: key + ".rate", Name: "  asking the verifier", Value: median(v.each(loadRound.rate)), Unit: "1/s"},
		figure{Key: key + ".baseline_rate", Name: "  asking the other", Value: median(yes.each(loadRound.rate)), Unit: "1/s"},
		ratioFigure(key+".p99_ratio", "  p99, verifier / yes", v, yes, loadRound.tail, nil),
		figure{Key: key + ".p99", Name: "  p99 asking the verifier", Value: median(v.each(loadRound.tail)), Unit: "ms"},
		figure{Key: key + ".baseline_p99", Name: "  p99 asking the other", Value: median(yes.each(loadRound.tail)), Unit: "ms"},
	)
}
