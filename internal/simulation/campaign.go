// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Campaign is many histories.
type Campaign struct {
	// First is the seed of the first history. The others follow.
	First uint64
	// Count is the number of histories.
	Count uint64
	// Workers is how many histories run at once, at least 1.
	Workers int
	// Done counts finished histories. It may be read while the campaign runs.
	Done atomic.Uint64
}

// Finding is a history that breaks an invariant.
type Finding struct {
	// Seed repeats the history.
	Seed uint64
	// Violation is what the shortest history breaks.
	Violation *Violation
	// Steps are the choices of the shortest history found.
	Steps []Step
	// Trace has a line for each effect of the shortest history.
	Trace []string
}

// String returns the violation, the seed and the shortest history.
func (f *Finding) String() string {
	return fmt.Sprintf("%s\n%s\nseed %d, shortest history %d steps", f.Violation, strings.Join(f.Trace, "\n"), f.Seed, len(f.Steps))
}

// Run runs the histories until one breaks an invariant, and returns that, or nil. Of several it returns that of the lowest seed that was run.
func (c *Campaign) Run(ctx context.Context) (*Finding, error) {
	var next atomic.Uint64
	seeds := make([]*uint64, max(c.Workers, 1))
	group, ctx := errgroup.WithContext(ctx)
	var over atomic.Bool
	for worker := range seeds {
		group.Go(func() error {
			runner, err := NewRunner()
			if err != nil {
				return err
			}
			for n := next.Add(1) - 1; n < c.Count && !over.Load() && ctx.Err() == nil; n = next.Add(1) - 1 {
				seed := c.First + n
				if runner.Run(seed) != nil { //nolint:contextcheck // a simulated pass waits for nothing
					seeds[worker] = &seed
					over.Store(true)
				}
				c.Done.Add(1)
			}

			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	seed := lowest(seeds)
	if seed == nil {
		return nil, nil // nothing was found
	}

	return Find(*seed) //nolint:contextcheck // a simulated pass waits for nothing
}

// lowest returns the lowest of the seeds that are not nil, or nil.
func lowest(seeds []*uint64) *uint64 {
	var first *uint64
	for _, seed := range seeds {
		if seed != nil && (first == nil || *seed < *first) {
			first = seed
		}
	}

	return first
}

// Find runs the history of one seed and shrinks it. It returns nil if the history breaks no invariant.
func Find(seed uint64) (*Finding, error) {
	runner, err := NewRunner()
	if err != nil {
		return nil, err
	}
	steps, found := runner.Record(seed)
	if found == nil {
		return nil, nil // nothing was found
	}
	f := &Finding{Seed: seed, Steps: runner.Shrink(seed, steps, found.Rule)}
	f.Violation = runner.Replay(seed, f.Steps, func(line string) { f.Trace = append(f.Trace, line) })

	return f, nil
}
