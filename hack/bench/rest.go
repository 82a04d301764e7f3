// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

// restTimeout is how long the operator may take to come to rest after a restart with settled keys.
const restTimeout = 5 * time.Minute

// measureRest starts the operator with keys that are settled, and counts what it asks of the API server
// until it has come to rest, and then at rest.
func (b *mintBench) measureRest(ctx context.Context, p *population) error {
	ctx, cancel := withTimeout(ctx, restTimeout+b.options.rest, "a restart with settled keys")
	defer cancel()
	b.log.printf("restart with %d settled keys, then %s of rest", b.options.keys, b.options.rest)
	before, err := b.requests(ctx)
	if err != nil {
		return err
	}
	var started, rested requests
	err = b.withOperator(ctx, b.options.launch, func(ctx context.Context, _ *operator) error {
		if started, err = b.quietRequests(ctx); err != nil {
			return err
		}
		if err = pause(ctx, b.options.rest); err != nil {
			return err
		}
		rested, err = b.requests(ctx)

		return err
	})
	if err != nil {
		return err
	}
	b.reportRest("restart", "after a restart", started.calls.since(before.calls))
	b.reportRest("rest", "at rest, "+b.options.rest.String(), rested.calls.since(started.calls))

	return p.remove(ctx)
}

// reportRest reports a stretch in which nothing had to be done.
func (b *mintBench) reportRest(key, when string, c calls) {
	b.reportCalls(key+".writes", "writes "+when, &aim{exactly, 0}, c.only(onKeys, isWrite))
	b.reportCalls(key+".gets", "per-key reads "+when, &aim{exactly, 0}, c.only(onKeys, isGet))
	b.reportCalls(key+".lists_and_watches", "lists and watches "+when, nil, c.only(onKeys, isListOrWatch))
	b.reportCalls(key+".event_writes", "Event writes "+when, nil, c.only(onEvents, isWrite))
	b.reportCalls(key+".lease_calls", "Lease calls "+when, nil, c.only(onLeases))
}

func (b *mintBench) reportCalls(key, name string, aim *aim, c calls) {
	b.report.add(figure{Key: key, Name: name, Value: float64(c.count()), Unit: "calls", Aim: aim, Note: c.String()})
}
