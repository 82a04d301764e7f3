// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Options determine a schedule.
type Options struct {
	// Seed determines every choice.
	Seed uint64
	// Duration is how long operations and faults go on.
	Duration time.Duration
	// Keys is the number of slots.
	Keys int
}

// Check returns an error if there is no schedule for the options.
func (o Options) Check() error {
	if o.Duration < Cycle/2 || o.Duration > 24*time.Hour {
		return errors.New("the duration must be from " + (Cycle / 2).String() + " to 24h")
	}
	if o.Keys < 1 || o.Keys > 5000 {
		return errors.New("the number of keys must be from 1 to 5000")
	}

	return nil
}

// Schedule is all that a soak does, each list ordered by time.
type Schedule struct {
	Operations []Operation
	Faults     []Fault
}

// The parts of a cycle.
const (
	// Cycle is the length of a storm and a lull.
	Cycle = 45 * time.Second
	// storm is the part of a cycle in which everything may fail, and outages the part in which the control plane may.
	storm   = 33 * time.Second
	outages = 14 * time.Second
)

// Draw returns the schedule of the options.
func Draw(o Options) Schedule {
	s := Schedule{Faults: faults(o)}
	for slot := range o.Keys {
		s.Operations = append(s.Operations, operations(o, slot)...)
	}
	slices.SortStableFunc(s.Operations, func(a, b Operation) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })

	return s
}

// source is a sequence of random numbers.
type source struct{ *rand.Rand }

// newSource returns one of many independent sequences of a seed.
func newSource(seed uint64, stream int) source {
	return source{rand.New(rand.NewPCG(seed, uint64(stream)))} //nolint:gosec // the same seed gives the same schedule
}

// between returns a duration of whole milliseconds in a range.
func (s source) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.Int64N(int64((most-least)/time.Millisecond)+1))*time.Millisecond
}

// chance is true with a probability in percent.
func (s source) chance(percent int) bool { return s.IntN(100) < percent }

// weighted returns the index of a weight, with a probability in proportion to it.
func (s source) weighted(weights []int) int {
	total := 0
	for _, weight := range weights {
		total += weight
	}
	left := s.IntN(total)
	for i, weight := range weights {
		if left < weight {
			return i
		}
		left -= weight
	}

	return len(weights) - 1
}
