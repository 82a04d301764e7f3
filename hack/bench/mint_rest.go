// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// checksPerSecond limits the reads by which the operator, after a start, checks each status against its Secret.
const checksPerSecond = 100

// restTimeout is how long the operator may take to come to rest after a restart with settled keys.
const restTimeout = 5 * time.Minute

// measureRest reports what the operator asks of the API server when it starts with keys that are settled, and then at rest.
func (b *mintBench) measureRest(ctx context.Context, p *population) error {
	b.log.Printf("restart with %d settled keys, then %s of rest", b.options.keys, b.options.rest)
	started, rested, err := b.countRestart(ctx, b.options.rest)
	if err != nil {
		return err
	}
	b.reportRest("restart", "after a restart", float64(b.options.keys), started) // each status is checked once
	b.reportRest("rest", "at rest, "+b.options.rest.String(), 0, rested)

	return p.remove(ctx)
}

// countRestart starts the operator and counts requests: until it has come to rest, and then at rest.
func (b *mintBench) countRestart(ctx context.Context, rest time.Duration) (started, rested calls, err error) {
	ctx, cancel := withTimeout(ctx, restTimeout+rest, "a restart with settled keys")
	defer cancel()
	before, err := b.requests(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = b.withOperator(ctx, func(ctx context.Context, _ *program) error {
		quiet, err := b.quietRequests(ctx)
		if err != nil {
			return err
		}
		if err := pause(ctx, rest); err != nil {
			return err
		}
		after, err := b.requests(ctx)
		started, rested = quiet.calls.since(before.calls), after.calls.since(quiet.calls)

		return err
	})

	return started, rested, err
}

// reportRest reports a stretch in which nothing had to be done but a number of reads.
func (b *mintBench) reportRest(key, when string, reads float64, c calls) {
	b.reportCalls(key+".writes", "writes "+when, &aim{exactly, 0}, c.only(onKeys, isWrite))
	b.reportCalls(key+".gets", "per-key reads "+when, &aim{exactly, reads}, c.only(onKeys, isGet))
	b.reportCalls(key+".lists_and_watches", "lists and watches "+when, nil, c.only(onKeys, isListOrWatch))
	b.reportCalls(key+".event_writes", "Event writes "+when, nil, c.only(onEvents, isWrite))
	b.reportCalls(key+".lease_calls", "Lease calls "+when, nil, c.only(onLeases))
}

func (b *mintBench) reportCalls(key, name string, aim *aim, c calls) {
	b.report.add(figure{Key: key, Name: name, Value: float64(c.count()), Unit: "calls", Aim: aim, Note: c.String()})
}

// emptyMemory returns the memory of an operator without APIKeys.
func (b *mintBench) emptyMemory(ctx context.Context) (memory, error) {
	b.log.Printf("memory of the operator with 0 keys (until a garbage collection has passed, up to 3 minutes)")
	ctx, cancel := withTimeout(ctx, startTimeout+memoryTimeout, "waiting for steady memory")
	defer cancel()
	var empty memory
	err := b.withOperator(ctx, func(ctx context.Context, o *program) error {
		var err error
		empty, err = b.settledMemory(ctx, o, queueEmpty)

		return err
	})

	return empty, err
}

// measureMemory lets the operator mint keys, starts it afresh, and compares its memory with that of an operator without keys.
func (b *mintBench) measureMemory(ctx context.Context, empty memory) error {
	n := b.options.settled
	checks := time.Duration(n/checksPerSecond) * time.Second
	ctx, cancel := withTimeout(ctx, 2*mintTimeout(n)+startTimeout+checks+memoryTimeout, "measuring memory")
	defer cancel()
	if err := b.mintSettled(ctx, n); err != nil {
		return err
	}
	b.log.Printf("memory of the operator with %d settled keys (until a garbage collection has passed, up to 3 minutes)", n)
	before, err := b.requests(ctx)
	if err != nil {
		return err
	}
	var full memory
	var after requests
	var checking time.Duration
	err = b.withOperator(ctx, func(ctx context.Context, o *program) error {
		started := time.Now()
		if _, err := b.quietRequests(ctx); err != nil {
			return err
		}
		checking = time.Since(started) - quietFor
		if full, err = b.settledMemory(ctx, o, queueEmpty); err != nil {
			return err
		}
		after, err = b.requests(ctx)

		return err
	})
	if err != nil {
		return err
	}
	b.reportMemory(empty, full)
	spent := after.calls.since(before.calls)
	b.reportCalls("memory.writes", fmt.Sprintf("writes meanwhile, %d keys", n), &aim{exactly, 0}, spent.only(onKeys, isWrite))
	b.reportCalls("memory.gets", fmt.Sprintf("reads that check each Secret once, %d keys", n), &aim{exactly, float64(n)}, spent.only(onKeys, isGet))
	b.report.add(figure{
		Key: "memory.check_seconds", Name: fmt.Sprintf("time until each of %d keys is checked", n), Value: checking.Seconds(), Unit: "s",
		Note: fmt.Sprintf("from the start of the operator; the checks are limited to %d a second", checksPerSecond),
	})

	return nil
}

// mintSettled creates keys while the operator runs and waits until it has minted them.
func (b *mintBench) mintSettled(ctx context.Context, n int) error {
	p, err := b.newPopulation(ctx, "settled", b.options.workers)
	if err != nil {
		return err
	}
	active, err := p.watchPhase(ctx, v1alpha1.PhaseActive, n, nil)
	if err != nil {
		return err
	}
	defer active.stop()

	return b.withOperator(ctx, func(ctx context.Context, _ *program) error {
		b.log.Printf("the operator mints %d keys", n)
		if _, err := p.create(ctx, n, nil); err != nil {
			return err
		}
		if _, err := active.wait(ctx); err != nil {
			return err
		}
		_, err := b.quietRequests(ctx)

		return err
	})
}

// queueEmpty reports whether no APIKey waits for the operator.
func queueEmpty(found families) bool { return found.sum("workqueue_depth") == 0 }

func (b *mintBench) reportMemory(empty, full memory) {
	b.report.add(memoryFigures(empty, full, b.options.settled, &aim{atMost, 4})...)
	b.report.explain("Memory: the operator is started afresh, with keys that it minted before; memory is read once its queue is empty,\n"+
		"a garbage collection has passed since, and %d readings a second apart are within %.0f %%.", steadyReadings, steadySpread*100)
}
