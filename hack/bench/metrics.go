// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
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

// families are metrics by name.
type families map[string]*dto.MetricFamily

func parseMetrics(r io.Reader) (families, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	found, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}

	return found, nil
}

// sum adds up a gauge or counter over its labels; 0: there is none.
func (f families) sum(name string) float64 {
	sum := 0.0
	for _, m := range f[name].GetMetric() {
		sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}

	return sum
}

// cpu returns the processor time of the program with these metrics.
func (f families) cpu() time.Duration {
	return time.Duration(f.sum("process_cpu_seconds_total") * float64(time.Second))
}

// scrape reads the metrics at a URL.
func scrape(ctx context.Context, client *http.Client, url string) (found families, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, response.Status)
	}

	return parseMetrics(response.Body)
}

// families returns the program's own metrics.
func (p *program) families(ctx context.Context) (families, error) {
	found, err := scrape(ctx, http.DefaultClient, p.metrics)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the %s: %w", p.Name, err)
	}

	return found, nil
}

// cpu returns the processor time of the program so far.
func (p *program) cpu(ctx context.Context) (time.Duration, error) {
	found, err := p.families(ctx)

	return found.cpu(), err
}

// memory is the memory of a process, in bytes.
type memory struct {
	// resident and peak are Linux's VmRSS and VmHWM.
	resident, peak float64
	// live is the size of the objects of the Go heap (heap_alloc), inUse that of the pages that hold them (heap_inuse).
	live, inUse float64
}

// settledMemory waits until a program has come to rest, a garbage collection has passed since, and its memory is steady.
// idle reports from the program's metrics whether it has nothing left to do.
func (c *cluster) settledMemory(ctx context.Context, p *program, idle func(families) bool) (memory, error) {
	if _, err := c.quietRequests(ctx); err != nil {
		return memory{}, err
	}
	var idleSince time.Time
	var readings []float64
	for {
		found, err := p.families(ctx)
		if err != nil {
			return memory{}, err
		}
		now, err := p.memory(found)
		if err != nil {
			return memory{}, err
		}
		if idleSince.IsZero() && idle(found) {
			idleSince = time.Now()
		}
		readings = append(readings, now.resident)
		collected := !idleSince.IsZero() && found.sum("go_memstats_last_gc_time_seconds") > float64(idleSince.Unix()+1)
		if collected && steady(readings) {
			return now, nil
		}
		if err := pause(ctx, memoryPoll); err != nil {
			return memory{}, fmt.Errorf("wait for steady memory, last %.1f MiB: %w", now.resident/mebi, err)
		}
	}
}

// steady reports whether the last readings are close together.
func steady(readings []float64) bool {
	if len(readings) < steadyReadings {
		return false
	}
	last := readings[len(readings)-steadyReadings:]

	return percentile(last, 100)-percentile(last, 0) <= steadySpread*percentile(last, 100)
}

// memory returns the program's memory now.
func (p *program) memory(found families) (memory, error) {
	m, err := process.MemoryOf(p.PID())
	if err != nil {
		return memory{}, fmt.Errorf("%s: %w", p.Name, err)
	}

	return memory{
		resident: float64(m.Resident), peak: float64(m.Peak),
		live: found.sum("go_memstats_heap_alloc_bytes"), inUse: found.sum("go_memstats_heap_inuse_bytes"),
	}, nil
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
