// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// asker asks a server one question, with the key of this number, and fails unless the request may pass.
type asker func(ctx context.Context, i int) error

// contender is a server under load.
type contender struct {
	program *program
	// askers are as many as requests are under way at once. Each is used by one goroutine.
	askers []asker
	// close ends its connections.
	close func()
	// next counts questions: each comes with another key, until all have been used.
	next    atomic.Int64
	volleys []volley
}

// volley is one measured stretch of load.
type volley struct {
	requests int
	took     time.Duration
	// p99 is the time within which 99 of 100 answers came, in ms.
	p99 float64
	// cpu is the processor time of the server, clientCPU that of this program.
	cpu, clientCPU time.Duration
}

// rate is in requests a second.
func (v volley) rate() float64 { return float64(v.requests) / v.took.Seconds() }

// compete puts two servers under load in turns, after a round that does not count. They change places from round to round, so that
// neither profits from a drift of the machine. Each round of one has the round of the other next to it: ratios are of such pairs.
func (b *verifyBench) compete(ctx context.Context, over string, first, second *contender) error {
	b.log.printf("%s: warm-up", over)
	for _, c := range []*contender{second, first} {
		if _, err := b.fire(ctx, c); err != nil {
			return err
		}
	}
	for round := range b.options.rounds {
		order := []*contender{first, second}
		if round%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, c := range order {
			v, err := b.fire(ctx, c)
			if err != nil {
				return err
			}
			c.volleys = append(c.volleys, v)
		}
		b.log.printf("%s: round %d of %d: %s %.0f requests/s, %s %.0f requests/s", over, round+1, b.options.rounds,
			first.program.name, first.volleys[round].rate(), second.program.name, second.volleys[round].rate())
	}

	return nil
}

// fire asks as fast as answers come, for as long as a round is.
func (b *verifyBench) fire(ctx context.Context, c *contender) (volley, error) {
	cpu, err := c.program.cpu(ctx)
	if err != nil {
		return volley{}, err
	}
	own, err := ownCPU()
	if err != nil {
		return volley{}, err
	}
	begun := time.Now()
	latencies := make([][]float64, len(c.askers))
	err = inParallel(ctx, len(c.askers), len(c.askers), func(ctx context.Context, worker int) error {
		var err error
		latencies[worker], err = c.askUntil(ctx, c.askers[worker], begun.Add(b.options.loadTime()), len(b.keys.texts))

		return err
	})
	took := time.Since(begun)
	if err != nil {
		return volley{}, fmt.Errorf("ask the %s: %w", c.program.name, err)
	}
	ownAfter, err := ownCPU()
	if err != nil {
		return volley{}, err
	}
	cpuAfter, err := c.program.cpu(ctx)
	var all []float64
	for _, some := range latencies {
		all = append(all, some...)
	}

	return volley{
		requests: len(all), took: took, p99: percentile(all, 99), cpu: cpuAfter - cpu, clientCPU: ownAfter - own,
	}, err
}

// askUntil asks one question after the other until the time has come, and returns how long each took in ms.
func (c *contender) askUntil(ctx context.Context, ask asker, end time.Time, keys int) ([]float64, error) {
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

// each is a property of every volley.
func (c *contender) each(property func(volley) float64) []float64 {
	values := make([]float64, 0, len(c.volleys))
	for _, v := range c.volleys {
		values = append(values, property(v))
	}

	return values
}

// perRequest is a processor time for each request, over all volleys, in µs.
func (c *contender) perRequest(cpu func(volley) time.Duration) float64 {
	var sum time.Duration
	requests := 0
	for _, v := range c.volleys {
		sum += cpu(v)
		requests += v.requests
	}

	return float64(sum) / float64(time.Microsecond) / float64(requests)
}
