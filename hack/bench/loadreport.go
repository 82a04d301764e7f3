// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// reportLoad reports a verifier and a baseline that were under load in turns. Programs know the figures by what they came over,
// as "grpc.rate_ratio"; so do people.
func (b *verifyBench) reportLoad(over string, verifier, baseline *contender) {
	key := strings.ToLower(over) + "."
	p99 := func(v volley) float64 { return v.p99 }
	rates := ratios(verifier.each(volley.rate), baseline.each(volley.rate))
	tails := ratios(verifier.each(p99), baseline.each(p99))
	b.report.add(figure{
		Key: key + "rate_ratio", Name: over + " requests/s, verifier / baseline", Value: median(rates),
		Aim: &aim{atLeast, 0.9}, Note: "rounds " + spread(rates),
	})
	b.report.add(figure{
		Key: key + "p99_ratio", Name: over + " p99, verifier / baseline", Value: median(tails),
		Aim: &aim{atMost, 1.2}, Note: "rounds " + spread(tails),
	})
	for _, c := range []*contender{verifier, baseline} {
		name := c.program.name
		b.report.add(figure{
			Key: key + name + ".rate", Name: over + " requests, " + name, Value: median(c.each(volley.rate)), Unit: "1/s",
			Note: "rounds " + spread(c.each(volley.rate)),
		})
		b.report.add(figure{Key: key + name + ".p99", Name: "  p99", Value: median(c.each(p99)), Unit: "ms"})
		b.report.add(figure{
			Key: key + name + ".cpu", Name: "  CPU per request", Unit: "µs",
			Value: c.perRequest(serverTime),
		})
		b.report.add(figure{
			Key: key + name + ".client_cpu", Name: "  client's CPU per request", Unit: "µs",
			Value: c.perRequest(func(v volley) time.Duration { return v.clientCPU }),
		})
	}
}

// reportHeaders reports what is left of the difference when the baseline sends as many headers as the verifier.
func (b *verifyBench) reportHeaders(_ string, verifier, baseline *contender) {
	rates := ratios(verifier.each(volley.rate), baseline.each(volley.rate))
	b.report.add(figure{
		Key: "http.headers.rate_ratio", Name: "HTTP requests/s, verifier / baseline with headers", Value: median(rates),
		Note: "rounds " + spread(rates),
	})
	b.report.add(figure{
		Key: "http.headers.baseline.cpu", Name: "  CPU per request, that baseline", Unit: "µs",
		Value: baseline.perRequest(serverTime),
	})
}

// reportOneHeader reports the verifier that sends one identity header beside an empty 200.
func (b *verifyBench) reportOneHeader(_ string, verifier, baseline *contender) {
	rates := ratios(verifier.each(volley.rate), baseline.each(volley.rate))
	b.report.add(figure{
		Key: "http.identity.rate_ratio", Name: "HTTP requests/s, verifier with identity=id / baseline", Value: median(rates),
		Aim: &aim{atLeast, 0.95}, Note: "rounds " + spread(rates),
	})
	b.report.add(figure{
		Key: "http.identity.verifier.cpu", Name: "  CPU per request, verifier with identity=id", Unit: "µs", Value: verifier.perRequest(serverTime),
	})
}

// serverTime is the processor time of the server.
func serverTime(v volley) time.Duration { return v.cpu }

// measureSockets compares a verifier on Unix sockets, as beside a gateway in one pod, with the one on TCP.
func (b *verifyBench) measureSockets(ctx context.Context, verifier *program) error {
	return b.withSocketVerifier(ctx, func(ctx context.Context, socket *program) error {
		target := verifyTarget(forwardauth.Path)
		if err := b.competeOverHTTP(ctx, "HTTP on a Unix socket", socket, verifier, target, target, b.reportSocket); err != nil {
			return err
		}

		return b.competeOverGRPC(ctx, "gRPC on a Unix socket", socket, verifier, b.reportSocket)
	})
}

// reportSocket reports a verifier on a Unix socket beside the same on TCP.
func (b *verifyBench) reportSocket(over string, socket, tcp *contender) {
	protocol, _, _ := strings.Cut(over, " ")
	key := strings.ToLower(protocol) + ".socket."
	rates := ratios(socket.each(volley.rate), tcp.each(volley.rate))
	b.report.add(figure{
		Key: key + "rate_ratio", Name: protocol + " requests/s, Unix socket / TCP", Value: median(rates), Note: "rounds " + spread(rates),
	})
	b.report.add(figure{Key: key + "cpu", Name: "  CPU per request, Unix socket", Unit: "µs", Value: socket.perRequest(serverTime)})
	b.report.add(figure{Key: key + "tcp.cpu", Name: "  CPU per request, TCP", Unit: "µs", Value: tcp.perRequest(serverTime)})
}

// explainLoad says how the figures of both interfaces came about.
func (b *verifyBench) explainLoad() {
	b.report.explain("Requests: %d rounds of %d s each, in turns, after one that does not count; %d requests under way at once, gRPC over %d\n"+
		"connections, HTTP over a kept connection each; every request with another of %d keys, and every answer of the verifier allows it.\n"+
		"The baseline allows everything and looks at nothing: the same library with its defaults, in a process of its own. The client\n"+
		"is the same and shares the processors with both. Over HTTP it is asked again for an answer with the headers of the verifier, and the verifier for\n"+
		"an answer with one of them (identity=id). On Unix sockets the verifier runs a second time, beside the one on TCP.\n"+
		"Ratios are medians over the rounds. The operator does not run.",
		b.options.rounds, b.options.seconds, b.options.concurrency, b.options.connections, b.options.keys)
}
