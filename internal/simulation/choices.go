// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import "math/rand/v2"

// Step is the list of choices that one step of a history makes. A choice beyond its end is 0, the harmless alternative.
type Step []uint16

// chooser makes the choices of a history: at random, or as recorded.
type chooser struct {
	random *rand.Rand // nil: the choices are recorded
	record bool
	steps  []Step
	// at is the index of the current step, and next that of its next choice.
	at, next int
}

// begin begins a step.
func (c *chooser) begin(step int) {
	c.at, c.next = step, 0
	if c.record {
		c.steps = append(c.steps, nil)
	}
}

// pick returns a number below n.
func (c *chooser) pick(n int) int {
	if n <= 1 {
		return 0
	}
	if c.random == nil {
		value := 0
		if c.at < len(c.steps) && c.next < len(c.steps[c.at]) {
			value = int(c.steps[c.at][c.next])
		}
		c.next++

		return value % n
	}
	value := c.random.IntN(n)
	if c.record {
		c.steps[c.at] = append(c.steps[c.at], uint16(value)) //nolint:gosec // G115: n is small
	}

	return value
}

// weighted returns an index, each with the probability of its weight.
func (c *chooser) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := c.pick(sum)
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}

	return 0
}
