// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	kibi = 1 << 10
	mebi = 1 << 20

	// memoryTimeout is how long memory may take to settle. Go collects garbage every two minutes when nothing else makes it,
	// and returns memory to the system in the background after that.
	memoryTimeout = 6 * time.Minute
	// memoryPoll is how often memory is read.
	memoryPoll = time.Second
	// steadyReadings is how many readings in a row must be within steadySpread for memory to count as settled.
	steadyReadings = 10
	steadySpread   = 0.01
)

// memory is what a process holds, in bytes.
type memory struct {
	// resident and peak are what Linux counts: VmRSS and VmHWM.
	resident, peak float64
	// live is what the Go heap's objects take (heap_alloc), inUse what the pages that hold them do (heap_inuse).
	live, inUse float64
}

// emptyMemory is what the operator holds without a single key.
func (b *mintBench) emptyMemory(ctx context.Context) (memory, error) {
	b.log.printf("memory of the operator with 0 keys (until a garbage collection has passed, up to 3 minutes)")
	ctx, cancel := withTimeout(ctx, startTimeout+memoryTimeout, "waiting for steady memory")
	defer cancel()
	var empty memory
	err := b.withOperator(ctx, b.options.launch, func(ctx context.Context, o *operator) error {
		var err error
		empty, err = b.settledMemory(ctx, o)

		return err
	})

	return empty, err
}

// measureMemory lets the operator mint keys, starts it afresh, and compares what it then holds with what it held without keys.
func (b *mintBench) measureMemory(ctx context.Context, empty memory) error {
	n := b.options.settled
	ctx, cancel := withTimeout(ctx, 2*mintTimeout(n)+startTimeout+memoryTimeout, "measuring memory")
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
	err = b.withOperator(ctx, b.options.launch, func(ctx context.Context, o *operator) error {
		if full, err = b.settledMemory(ctx, o); err != nil {
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
	b.reportCalls("memory.gets", fmt.Sprintf("per-key reads meanwhile, %d keys", n), &aim{exactly, 0}, spent.only(onKeys, isGet))

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

	return b.withOperator(ctx, b.options.launch, func(ctx context.Context, _ *operator) error {
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

// settledMemory waits until the operator has worked off its queue, a garbage collection has passed since, and its memory is steady.
func (b *mintBench) settledMemory(ctx context.Context, o *operator) (memory, error) {
	if _, err := b.quietRequests(ctx); err != nil {
		return memory{}, err
	}
	var idleSince time.Time
	var readings []float64
	for {
		families, err := o.families(ctx)
		if err != nil {
			return memory{}, err
		}
		now, err := o.memory(families)
		if err != nil {
			return memory{}, err
		}
		if idleSince.IsZero() && sample(families, "workqueue_depth") == 0 {
			idleSince = time.Now()
		}
		readings = append(readings, now.resident)
		collected := !idleSince.IsZero() && sample(families, "go_memstats_last_gc_time_seconds") > float64(idleSince.Unix()+1)
		if collected && steady(readings) {
			return now, nil
		}
		if err := pause(ctx, memoryPoll); err != nil {
			return memory{}, fmt.Errorf("wait for steady memory, last %.1f MiB: %w", now.resident/mebi, err)
		}
	}
}

// steady says whether the last readings are close together.
func steady(readings []float64) bool {
	if len(readings) < steadyReadings {
		return false
	}
	last := readings[len(readings)-steadyReadings:]

	return percentile(last, 100)-percentile(last, 0) <= steadySpread*percentile(last, 100)
}

// memory is what the operator holds now.
func (o *operator) memory(families map[string]*dto.MetricFamily) (memory, error) {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", o.cmd.Process.Pid))
	if err != nil {
		return memory{}, fmt.Errorf("read the operator's resident memory, for which this program needs Linux: %w", err)
	}
	m, err := parseStatus(status)
	m.live, m.inUse = sample(families, "go_memstats_heap_alloc_bytes"), sample(families, "go_memstats_heap_inuse_bytes")

	return m, errors.Join(err, status.Close())
}

// parseStatus reads resident memory and its peak from the status file of a process.
func parseStatus(r io.Reader) (memory, error) {
	var m memory
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		size, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err != nil {
			return memory{}, fmt.Errorf("%s of the operator: %w", name, err)
		}
		if name == "VmRSS" {
			m.resident = size * kibi
		} else {
			m.peak = size * kibi
		}
	}
	if m.resident == 0 {
		return memory{}, errors.Join(errors.New("the operator has no VmRSS"), lines.Err())
	}

	return m, nil
}

func (b *mintBench) reportMemory(empty, full memory) {
	n := float64(b.options.settled)
	perKey := func(e, f float64) float64 { return (f - e) / n / kibi }
	for _, f := range []figure{
		{Key: "memory.empty", Name: "resident memory, 0 keys", Value: empty.resident / mebi, Unit: "MiB"},
		{Key: "memory.settled", Name: fmt.Sprintf("resident memory, %d keys", b.options.settled), Value: full.resident / mebi, Unit: "MiB"},
		{Key: "memory.peak", Name: fmt.Sprintf("peak at start, %d keys", b.options.settled), Value: full.peak / mebi, Unit: "MiB"},
		{Key: "memory.resident_per_key", Name: "resident memory per key", Value: perKey(empty.resident, full.resident), Unit: "KiB",
			Aim: &aim{atMost, 4}, Note: "the difference"},
		{Key: "memory.heap_inuse_per_key", Name: "heap in use per key", Value: perKey(empty.inUse, full.inUse), Unit: "KiB",
			Note: "the difference in go_memstats_heap_inuse_bytes"},
		{Key: "memory.heap_alloc_per_key", Name: "heap objects per key", Value: perKey(empty.live, full.live), Unit: "KiB",
			Note: "the difference in go_memstats_heap_alloc_bytes"},
	} {
		b.report.add(f)
	}
	b.report.explain("Memory: the operator is started afresh, with keys that it minted before; memory is read once its queue is empty,\n"+
		"a garbage collection has passed since, and %d readings a second apart are within %.0f %%.", steadyReadings, steadySpread*100)
}
