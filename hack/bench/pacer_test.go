// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPacerSpreadsRequestsEvenly(t *testing.T) {
	start := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		perSecond float64
		want      []time.Duration
	}{
		"four a second":      {4, []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond}},
		"one in two seconds": {0.5, []time.Duration{0, 2 * time.Second, 4 * time.Second}},
		"one that no whole number of nanoseconds fits": {3000, []time.Duration{0, 333_333, 666_666}},
		"as many as there may be":                      {1e9, []time.Duration{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPacer(start, c.perSecond)
			var got []time.Duration
			for range c.want {
				got = append(got, p.next().Sub(start))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPacerGivesEachTimeOnce(t *testing.T) {
	const workers, each = 8, 100
	start := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	p := newPacer(start, 1000)
	var mu sync.Mutex
	given := map[time.Time]bool{}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range each {
				at := p.next()
				mu.Lock()
				given[at] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(given) != workers*each {
		t.Errorf("%d times for %d requests", len(given), workers*each)
	}
	if next, want := p.next(), start.Add(workers*each*time.Millisecond); !next.Equal(want) {
		t.Errorf("the next is due at %s, want %s", next, want)
	}
}
