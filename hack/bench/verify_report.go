// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"
)

// ratioFigure compares a property of two servers round by round.
func ratioFigure(key, name string, first, second *contender, property func(volley) float64, a *aim) figure {
	values := ratios(first.each(property), second.each(property))

	return figure{Key: key, Name: name, Value: median(values), Aim: a, Note: spread(values)}
}

// cpuFigure is a processor time for each request.
func cpuFigure(key, name string, c *contender, cpu func(volley) time.Duration) figure {
	return figure{Key: key, Name: name, Value: c.perRequest(cpu), Unit: "µs"}
}

// reportLoad reports a verifier and a baseline. Keys begin with the protocol, as in "grpc.rate_ratio".
func (b *verifyBench) reportLoad(over string, verifier, baseline *contender) {
	key := strings.ToLower(over) + "."
	b.report.add(
		ratioFigure(key+"rate_ratio", over+" requests/s, verifier / baseline", verifier, baseline, volley.rate, &aim{atLeast, 0.9}),
		ratioFigure(key+"p99_ratio", over+" p99, verifier / baseline", verifier, baseline, volley.tail, &aim{atMost, 1.2}),
	)
	for _, c := range []*contender{verifier, baseline} {
		key, rates := key+c.program.Name, c.each(volley.rate)
		b.report.add(
			figure{Key: key + ".rate", Name: over + " requests, " + c.program.Name, Value: median(rates), Unit: "1/s", Note: spread(rates)},
			figure{Key: key + ".p99", Name: "  p99", Value: median(c.each(volley.tail)), Unit: "ms"},
			cpuFigure(key+".cpu", "  CPU per request", c, volley.serverTime),
			cpuFigure(key+".client_cpu", "  client's CPU per request", c, volley.clientTime),
		)
	}
}

// reportHeaders reports a verifier and a baseline that sends as many headers.
func (b *verifyBench) reportHeaders(_ string, verifier, baseline *contender) {
	b.report.add(
		ratioFigure("http.headers.rate_ratio", "HTTP requests/s, verifier / baseline with headers", verifier, baseline, volley.rate, nil),
		cpuFigure("http.headers.baseline.cpu", "  CPU per request, that baseline", baseline, volley.serverTime),
	)
}

// reportOneHeader reports a verifier that sends one identity header and a baseline that sends an empty 200.
func (b *verifyBench) reportOneHeader(_ string, verifier, baseline *contender) {
	b.report.add(
		ratioFigure("http.identity.rate_ratio", "HTTP requests/s, verifier with identity=id / baseline", verifier, baseline, volley.rate,
			&aim{atLeast, 0.95}),
		cpuFigure("http.identity.verifier.cpu", "  CPU per request, verifier with identity=id", verifier, volley.serverTime),
	)
}

// reportSocket reports a verifier on a Unix socket and one on TCP.
func (b *verifyBench) reportSocket(over string, socket, tcp *contender) {
	protocol, _, _ := strings.Cut(over, " ")
	key := strings.ToLower(protocol) + ".socket."
	b.report.add(
		ratioFigure(key+"rate_ratio", protocol+" requests/s, Unix socket / TCP", socket, tcp, volley.rate, nil),
		cpuFigure(key+"cpu", "  CPU per request, Unix socket", socket, volley.serverTime),
		cpuFigure(key+"tcp.cpu", "  CPU per request, TCP", tcp, volley.serverTime),
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
