// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"
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
			Value: c.perRequest(func(v volley) time.Duration { return v.cpu }),
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
		Value: baseline.perRequest(func(v volley) time.Duration { return v.cpu }),
	})
}

// explainLoad says how the figures of both interfaces came about.
func (b *verifyBench) explainLoad() {
	b.report.explain("Requests: %d rounds of %d s each, in turns, after one that does not count; %d requests under way at once, gRPC over %d\n"+
		"connections, HTTP over a kept connection each; every request with another of %d keys, and every answer of the verifier allows it.\n"+
		"The baseline allows everything and looks at nothing: the same library with its defaults, in a process of its own. The client\n"+
		"is the same and shares the processors with both. Over HTTP it is asked again for an answer with the headers of the verifier. Ratios are medians over the rounds. The operator does not run.",
		b.options.rounds, b.options.seconds, b.options.concurrency, b.options.connections, b.options.keys)
}
