// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// loadTarget is a server under load.
//
// The load comes from this program and not from a load generator: client and servers share the processors, so the client must take little of
// them. Beside an empty 200 over HTTP with 64 connections, vegeta 12.13 took 18.6 to 26.9 µs of processor time for each request where this
// client took 13.8 to 20.4 µs, and has no gRPC.
type loadTarget struct {
	program *program
	// senders are as many as requests are under way at once. Each is used by one goroutine.
	senders []sender
	// close ends its connections.
	close func()
	// next counts requests: each comes with another key, until all have been used.
	next   atomic.Int64
	rounds []loadRound
}

// loadRound is one measured stretch of load.
type loadRound struct {
	requests int
	took     time.Duration
	// p99 is the time within which 99 of 100 answers came, in ms.
	p99 float64
	// cpu is the processor time of the server, clientCPU that of this program.
	cpu, clientCPU time.Duration
}

// Properties of a loadRound.
func (v loadRound) rate() float64             { return float64(v.requests) / v.took.Seconds() }
func (v loadRound) tail() float64             { return v.p99 }
func (v loadRound) serverTime() time.Duration { return v.cpu }
func (v loadRound) clientTime() time.Duration { return v.clientCPU }

// comparison is two servers under load in turns.
type comparison struct {
	over          string
	first, second func() (*loadTarget, error)
	report        func(over string, first, second *loadTarget)
}

// measureAnswers measures how fast the verifier answers, and how soon it knows of changes.
func (b *verifyBench) measureAnswers(ctx context.Context, verifier *program) error {
	target := verifyTarget(forwardauth.Path)
	var capacity float64
	err := b.withBaseline(ctx, "baseline", func(ctx context.Context, baseline *program) error {
		return b.compareAll(ctx, []comparison{
			{"gRPC", b.overGRPC(verifier), b.overGRPC(baseline), func(over string, first, second *loadTarget) {
				b.reportLoad(over, first, second)
				capacity = median(first.each(loadRound.rate))
			}},
			{"HTTP", b.overHTTP(verifier, target), b.overHTTP(baseline, target), b.reportLoad},
			{"HTTP with headers", b.overHTTP(verifier, target), b.overHTTP(baseline, verifyTarget(headersPath)), b.reportHeaders},
			{
				"HTTP with identity=id", b.overHTTP(verifier, verifyTarget(forwardauth.Path, "id")), b.overHTTP(baseline, target),
				b.reportOneHeader,
			},
		})
	})
	if err != nil {
		return err
	}
	err = b.withSocketVerifier(ctx, func(ctx context.Context, socket *program) error {
		return b.compareAll(ctx, []comparison{
			{"HTTP on a Unix socket", b.overHTTP(socket, target), b.overHTTP(verifier, target), b.reportSocket},
			{"gRPC on a Unix socket", b.overGRPC(socket), b.overGRPC(verifier), b.reportSocket},
		})
	})
	if err != nil {
		return err
	}
	b.explainLoad()
	if b.options.revoke == 0 {
		return nil
	}
	if err := b.measurePropagation(ctx, verifier, capacity); err != nil {
		return fmt.Errorf("measure propagation: %w", err)
	}

	return nil
}

func (b *verifyBench) compareAll(ctx context.Context, all []comparison) error {
	for _, c := range all {
		if err := b.compare(ctx, c); err != nil {
			return fmt.Errorf("measure %s: %w", c.over, err)
		}
	}

	return nil
}

// compare puts two servers under load in turns, after a round that does not count. They change places from round to round, so that
// neither profits from a drift of the machine. Each round of one has a round of the other next to it, and ratios are of such pairs.
func (b *verifyBench) compare(ctx context.Context, c comparison) error {
	first, err := c.first()
	if err != nil {
		return err
	}
	defer first.close()
	second, err := c.second()
	if err != nil {
		return err
	}
	defer second.close()
	b.log.Printf("%s: warm-up", c.over)
	for _, each := range []*loadTarget{second, first} {
		if _, err := b.runRound(ctx, each); err != nil {
			return err
		}
	}
	for round := range b.options.rounds {
		order := []*loadTarget{first, second}
		if round%2 == 1 {
			order = []*loadTarget{second, first}
		}
		for _, each := range order {
			v, err := b.runRound(ctx, each)
			if err != nil {
				return err
			}
			each.rounds = append(each.rounds, v)
		}
		b.log.Printf("%s: round %d of %d: %s %.0f requests/s, %s %.0f requests/s", c.over, round+1, b.options.rounds,
			first.program.Name, first.rounds[round].rate(), second.program.Name, second.rounds[round].rate())
	}
	c.report(c.over, first, second)

	return nil
}

// runRound asks as fast as answers come, for as long as a round is.
func (b *verifyBench) runRound(ctx context.Context, c *loadTarget) (loadRound, error) {
	cpu, err := c.program.cpu(ctx)
	if err != nil {
		return loadRound{}, err
	}
	own, begun := ownCPU(), time.Now()
	latencies := make([][]float64, len(c.senders))
	err = inParallel(ctx, len(c.senders), len(c.senders), func(ctx context.Context, worker int) (err error) {
		latencies[worker], err = c.sendUntil(ctx, c.senders[worker], begun.Add(b.options.loadTime()), len(b.keys))

		return err
	})
	took, clientCPU := time.Since(begun), ownCPU()-own
	if err != nil {
		return loadRound{}, fmt.Errorf("ask the %s: %w", c.program.Name, err)
	}
	after, err := c.program.cpu(ctx)
	all := slices.Concat(latencies...)

	return loadRound{requests: len(all), took: took, p99: percentile(all, 99), cpu: after - cpu, clientCPU: clientCPU}, err
}

// sendUntil asks one question after the other until the time has come, and returns how long each took in ms.
func (c *loadTarget) sendUntil(ctx context.Context, ask sender, end time.Time, keys int) ([]float64, error) {
	var latencies []float64
	for begun := time.Now(); begun.Before(end); {
		i := int(c.next.Add(1)) % keys
		if err := ask(ctx, i); err != nil {
			return nil, err
		}
		now := time.Now()
		latencies = append(latencies, milliseconds(now.Sub(begun)))
		begun = now
	}

	return latencies, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// each returns a property of every loadRound.
func (c *loadTarget) each(property func(loadRound) float64) []float64 {
	values := make([]float64, 0, len(c.rounds))
	for _, v := range c.rounds {
		values = append(values, property(v))
	}

	return values
}

// perRequest returns a processor time for each request, over all rounds, in µs.
func (c *loadTarget) perRequest(cpu func(loadRound) time.Duration) float64 {
	var sum time.Duration
	requests := 0
	for _, v := range c.rounds {
		sum += cpu(v)
		requests += v.requests
	}

	return float64(sum) / float64(time.Microsecond) / float64(requests)
}
