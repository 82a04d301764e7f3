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

// settledMemory waits until a program has come to rest, a garbage collection has passed since, and its memory is steady.
// idle says from its metrics whether it has nothing left to do.
func (c *cluster) settledMemory(ctx context.Context, p *program, idle func(map[string]*dto.MetricFamily) bool) (memory, error) {
	if _, err := c.quietRequests(ctx); err != nil {
		return memory{}, err
	}
	var idleSince time.Time
	var readings []float64
	for {
		families, err := p.families(ctx)
		if err != nil {
			return memory{}, err
		}
		now, err := p.memory(families)
		if err != nil {
			return memory{}, err
		}
		if idleSince.IsZero() && idle(families) {
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

// memory is what the program holds now.
func (p *program) memory(families map[string]*dto.MetricFamily) (memory, error) {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return memory{}, fmt.Errorf("read the resident memory of the %s, for which this program needs Linux: %w", p.name, err)
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
			return memory{}, fmt.Errorf("%s of a program: %w", name, err)
		}
		if name == "VmRSS" {
			m.resident = size * kibi
		} else {
			m.peak = size * kibi
		}
	}
	if m.resident == 0 {
		return memory{}, errors.Join(errors.New("a program has no VmRSS"), lines.Err())
	}

	return m, nil
}

// memoryFigures compares what a program holds with keys and without any.
func memoryFigures(empty, full memory, keys int, perKey *aim) []figure {
	each := func(e, f float64) float64 { return (f - e) / float64(keys) / kibi }

	return []figure{
		{Key: "memory.empty", Name: "resident memory, 0 keys", Value: empty.resident / mebi, Unit: "MiB"},
		{Key: "memory.settled", Name: fmt.Sprintf("resident memory, %d keys", keys), Value: full.resident / mebi, Unit: "MiB"},
		{Key: "memory.peak", Name: fmt.Sprintf("peak at start, %d keys", keys), Value: full.peak / mebi, Unit: "MiB"},
		{Key: "memory.resident_per_key", Name: "resident memory per key", Value: each(empty.resident, full.resident), Unit: "KiB",
			Aim: perKey, Note: "the difference"},
		{Key: "memory.heap_inuse_per_key", Name: "heap in use per key", Value: each(empty.inUse, full.inUse), Unit: "KiB",
			Note: "the difference in go_memstats_heap_inuse_bytes"},
		{Key: "memory.heap_alloc_per_key", Name: "heap objects per key", Value: each(empty.live, full.live), Unit: "KiB",
			Note: "the difference in go_memstats_heap_alloc_bytes"},
	}
}
