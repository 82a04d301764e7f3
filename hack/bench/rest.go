// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

// restTimeout is how long the operator may take to come to rest after a restart with settled keys.
const restTimeout = 5 * time.Minute

// measureRest reports what the operator asks of the API server when it starts with keys that are settled, and then at rest.
func (b *mintBench) measureRest(ctx context.Context, p *population) error {
	b.log.printf("restart with %d settled keys, then %s of rest", b.options.keys, b.options.rest)
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
	err = b.withOperator(ctx, b.options.launch, func(ctx context.Context, _ *program) error {
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
