// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ratioFigure compares a property of two servers round by round.
func ratioFigure(key, name string, first, second *loadTarget, property func(loadRound) float64, a *aim) figure {
	values := ratios(first.each(property), second.each(property))

	return figure{Key: key, Name: name, Value: median(values), Aim: a, Note: spread(values)}
}

// cpuFigure returns a figure of the processor time for each request.
func cpuFigure(key, name string, c *loadTarget, cpu func(loadRound) time.Duration) figure {
	return figure{Key: key, Name: name, Value: c.perRequest(cpu), Unit: "µs"}
}

// reportLoad reports a verifier and a baseline. Keys begin with the protocol, as in "grpc.rate_ratio".
func (b *verifyBench) reportLoad(over string, verifier, baseline *loadTarget) {
	key := strings.ToLower(over) + "."
	b.report.add(
		ratioFigure(key+"rate_ratio", over+" requests/s, verifier / baseline", verifier, baseline, loadRound.rate, &aim{atLeast, 0.9}),
		ratioFigure(key+"p99_ratio", over+" p99, verifier / baseline", verifier, baseline, loadRound.tail, &aim{atMost, 1.2}),
	)
	for _, c := range []*loadTarget{verifier, baseline} {
		key, rates := key+c.program.Name, c.each(loadRound.rate)
		b.report.add(
			figure{Key: key + ".rate", Name: over + " requests, " + c.program.Name, Value: median(rates), Unit: "1/s", Note: spread(rates)},
			figure{Key: key + ".p99", Name: "  p99", Value: median(c.each(loadRound.tail)), Unit: "ms"},
			cpuFigure(key+".cpu", "  CPU per request", c, loadRound.serverTime),
			cpuFigure(key+".client_cpu", "  client's CPU per request", c, loadRound.clientTime),
		)
	}
}

// reportHeaders reports a verifier and a baseline that sends as many headers.
func (b *verifyBench) reportHeaders(_ string, verifier, baseline *loadTarget) {
	b.report.add(
		ratioFigure("http.headers.rate_ratio", "HTTP requests/s, verifier / baseline with headers", verifier, baseline, loadRound.rate, nil),
		cpuFigure("http.headers.baseline.cpu", "  CPU per request, that baseline", baseline, loadRound.serverTime),
	)
}

// reportOneHeader reports a verifier that sends one identity header and a baseline that sends an empty 200.
func (b *verifyBench) reportOneHeader(_ string, verifier, baseline *loadTarget) {
	b.report.add(
		ratioFigure("http.identity.rate_ratio", "HTTP requests/s, verifier with identity=id / baseline", verifier, baseline, loadRound.rate,
			&aim{atLeast, 0.95}),
		cpuFigure("http.identity.verifier.cpu", "  CPU per request, verifier with identity=id", verifier, loadRound.serverTime),
	)
}

// reportSocket reports a verifier on a Unix socket and one on TCP.
func (b *verifyBench) reportSocket(over string, socket, tcp *loadTarget) {
	protocol, _, _ := strings.Cut(over, " ")
	key := strings.ToLower(protocol) + ".socket."
	b.report.add(
		ratioFigure(key+"rate_ratio", protocol+" requests/s, Unix socket / TCP", socket, tcp, loadRound.rate, nil),
		cpuFigure(key+"cpu", "  CPU per request, Unix socket", socket, loadRound.serverTime),
		cpuFigure(key+"tcp.cpu", "  CPU per request, TCP", tcp, loadRound.serverTime),
	)
}

// explainLoad says how the figures of both interfaces were measured.
func (b *verifyBench) explainLoad() {
	b.report.explain("Requests: %d rounds of %d s each, in turns, after one that does not count; %d requests under way at once, gRPC over %d\n"+
		"connections, HTTP over a kept connection each; every request with another of %d keys, and every answer of the verifier allows it.\n"+
		"The baseline allows everything and looks at nothing: the same library with its defaults, in a process of its own. The client\n"+
		"is the same and shares the processors with both. Over HTTP the baseline also answers with the headers of the verifier, and the\n"+
		"verifier with one of them (identity=id). On Unix sockets the verifier runs a second time, beside the one on TCP. Ratios are\n"+
		"medians over the rounds. The operator does not run.",
		b.options.rounds, b.options.seconds, b.options.concurrency, b.options.connections, b.options.keys)
}

const (
	// memoryLimit is the memory limit of the verifier's container in config/verifier/verifier.yaml, which the Deployment hands to Go as
	// GOMEMLIMIT.
	memoryLimit = 512 * mebi
	// memoryShare is the part of the limit that the verifier may take at its peak with 100,000 keys.
	memoryShare = 0.6
)

// verifierMemory returns the memory of a verifier that knows n keys and has answered no request.
func (b *verifyBench) verifierMemory(ctx context.Context, n int) (settled memory, err error) {
	b.log.Printf("memory of the verifier with %d keys (until a garbage collection has passed, up to 3 minutes)", n)
	ctx, cancel := withTimeout(ctx, startTimeout+memoryTimeout, "waiting for steady memory")
	defer cancel()
	err = b.withVerifier(ctx, func(ctx context.Context, p *program) (err error) {
		settled, err = b.settledMemory(ctx, p, func(found families) bool { return int(found.sum("apikey_verifier_index_keys")) == n })

		return err
	})

	return settled, err
}

func (b *verifyBench) reportMemory(empty, full memory) {
	n := b.options.keys
	b.report.add(memoryFigures(empty, full, n, &aim{atMost, 1.5})...)
	b.report.add(figure{
		Key: "memory.total_per_key", Name: "resident memory / keys", Value: full.resident / float64(n) / kibi, Unit: "KiB",
		Note: "with the memory of a verifier without keys",
	})
	b.report.add(peakFigure("memory.peak_share", "peak at start / memory limit", full))
	b.report.explain("Memory: the verifier is started afresh and answers no request; memory is read once it knows all keys, a garbage collection\n"+
		"has passed since, and %d readings a second apart are within %.0f %%. The peak is VmHWM from the start of the process on. GOMEMLIMIT is\n"+
		"%d MiB, the limit of the container in config/verifier; the aim is for 100000 keys.", steadyReadings, steadySpread*100, memoryLimit/mebi)
}

// peakFigure compares a peak with the limit.
func peakFigure(key, name string, m memory) figure {
	return figure{
		Key: key, Name: name, Value: m.peak / memoryLimit, Aim: &aim{atMost, memoryShare},
		Note: fmt.Sprintf("%.0f MiB of %d MiB", m.peak/mebi, memoryLimit/mebi),
	}
}

// reportLoaded reports the memory after all load, with the last use of each key and the buckets of rate limits.
func (b *verifyBench) reportLoaded(ctx context.Context, verifier *program) error {
	found, err := verifier.families(ctx)
	if err != nil {
		return err
	}
	now, err := verifier.memory(found)
	if err != nil {
		return err
	}
	b.report.add(figure{
		Key: "memory.loaded", Name: "resident memory after all load", Value: now.resident / mebi, Unit: "MiB",
		Note: "with the last use of each key, and the buckets of rate limits",
	}, peakFigure("memory.loaded_peak_share", "peak at start and under all load / memory limit", now))

	return nil
}
