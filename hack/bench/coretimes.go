// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// coreTimes are what one size of the core took, round by round, in ns, and the most that a decision allocated.
type coreTimes struct {
	decide, verify             []float64
	decideAllocs, verifyAllocs int64
}

// measureCore measures decisions in this process, with each number of keys in turn.
func (b *verifyBench) measureCore(ctx context.Context, log *progress) error {
	sizes := b.options.coreKeys
	if len(sizes) == 0 {
		return nil
	}
	cores, times := make([]*core, len(sizes)), make([]coreTimes, len(sizes))
	for i, n := range sizes {
		log.printf("decision core: %d keys", n)
		var err error
		if cores[i], err = newCore(n); err != nil {
			return err
		}
		if err := cores[i].warmUp(ctx); err != nil {
			return err
		}
	}
	for round := range b.options.rounds {
		for i, c := range cores {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := times[i].add(c); err != nil {
				return err
			}
		}
		log.printf("decision core: round %d of %d", round+1, b.options.rounds)
	}
	b.reportCore(times)

	return nil
}

// add measures one round.
func (t *coreTimes) add(c *core) error {
	decide, verify := testing.Benchmark(c.decide), testing.Benchmark(c.verify)
	if decide.N == 0 || verify.N == 0 || c.refused > 0 {
		return fmt.Errorf("%d keys: %d decisions were measured, and %d of them were refusals", len(c.texts), decide.N+verify.N, c.refused)
	}
	t.decide = append(t.decide, nanoseconds(&decide))
	t.verify = append(t.verify, nanoseconds(&verify))
	t.decideAllocs = max(t.decideAllocs, decide.AllocsPerOp())
	t.verifyAllocs = max(t.verifyAllocs, verify.AllocsPerOp())

	return nil
}

// nanoseconds is the time of one operation; what package testing says itself has no fractions.
func nanoseconds(r *testing.BenchmarkResult) float64 {
	return float64(r.T) / float64(time.Nanosecond) / float64(r.N)
}

func (b *verifyBench) reportCore(times []coreTimes) {
	sizes := b.options.coreKeys
	for i, n := range sizes {
		t := &times[i]
		key := fmt.Sprintf("core.%d.", n)
		b.report.add(figure{
			Key: key + "ns", Name: fmt.Sprintf("decision, %d keys", n), Value: median(t.decide), Unit: "ns",
			Aim: &aim{atMost, 500}, Note: "rounds " + spread(t.decide),
		})
		b.report.add(figure{
			Key: key + "allocs", Name: "  allocations", Value: float64(t.decideAllocs), Unit: "allocs", Aim: &aim{exactly, 0},
		})
		b.report.add(figure{
			Key: key + "verify_ns", Name: "  with clock, limit, use, metrics", Value: median(t.verify), Unit: "ns",
			Note: fmt.Sprintf("rounds %s; %d allocations", spread(t.verify), t.verifyAllocs),
		})
	}
	growth := ratios(times[len(times)-1].decide, times[0].decide)
	b.report.add(figure{
		Key: "core.growth", Name: fmt.Sprintf("decision, %d keys / %d keys", sizes[len(sizes)-1], sizes[0]), Value: median(growth),
		Aim: &aim{atMost, 2}, Note: "rounds " + spread(growth),
	})
	b.report.explain("Decision core: in one process, one goroutine, every time with another key in random order: the shape and checksum of the\n"+
		"credential, its digest, the look-up, and every check of the decision; the endpoint needs a permission of the key's role.\n"+
		"Medians of %d rounds of a second each, in turns.", b.options.rounds)
}
