// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// emptyMemory is what the operator holds without a single key.
func (b *mintBench) emptyMemory(ctx context.Context) (memory, error) {
	b.log.printf("memory of the operator with 0 keys (until a garbage collection has passed, up to 3 minutes)")
	ctx, cancel := withTimeout(ctx, startTimeout+memoryTimeout, "waiting for steady memory")
	defer cancel()
	var empty memory
	err := b.withOperator(ctx, b.options.launch, func(ctx context.Context, o *program) error {
		var err error
		empty, err = b.settledMemory(ctx, o, queueEmpty)

		return err
	})

	return empty, err
}

// measureMemory lets the operator mint keys, starts it afresh, and compares what it then holds with what it held without keys.
func (b *mintBench) measureMemory(ctx context.Context, empty memory) error {
	n := b.options.settled
	const checksPerSecond = 100
	checks := time.Duration(n/checksPerSecond) * time.Second
	ctx, cancel := withTimeout(ctx, 2*mintTimeout(n)+startTimeout+checks+memoryTimeout, "measuring memory")
	defer cancel()
	if err := b.mintSettled(ctx, n); err != nil {
		return err
	}
	b.log.printf("memory of the operator with %d settled keys (until a garbage collection has passed, up to 3 minutes)", n)
	before, err := b.requests(ctx)
	if err != nil {
		return err
	}
	var full memory
	var after requests
	var checking time.Duration
	err = b.withOperator(ctx, b.options.launch, func(ctx context.Context, o *program) error {
		// After a start the operator reads each Secret once, to check the status against it.
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
	b.report.add(figure{Key: "memory.check_seconds", Name: fmt.Sprintf("time until each of %d keys is checked", n), Value: checking.Seconds(), Unit: "s",
		Note: "from the start of the operator; the checks are limited to 100 a second"})

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

	return b.withOperator(ctx, b.options.launch, func(ctx context.Context, _ *program) error {
		b.log.printf("the operator mints %d keys", n)
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

// queueEmpty says whether the operator has no APIKey left to look at.
func queueEmpty(families map[string]*dto.MetricFamily) bool {
	return sample(families, "workqueue_depth") == 0
}

func (b *mintBench) reportMemory(empty, full memory) {
	for _, f := range memoryFigures(empty, full, b.options.settled, &aim{atMost, 4}) {
		b.report.add(f)
	}
	b.report.explain("Memory: the operator is started afresh, with keys that it minted before; memory is read once its queue is empty,\n"+
		"a garbage collection has passed since, and %d readings a second apart are within %.0f %%.", steadyReadings, steadySpread*100)
}
