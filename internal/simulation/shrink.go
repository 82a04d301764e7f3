// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import "slices"

// Shrink returns the shortest history found that breaks the same rule: with fewer steps, and with smaller choices, which are more harmless.
func (r *Runner) Shrink(seed uint64, steps []Step, rule string) []Step {
	breaks := func(candidate []Step) bool {
		found := r.Replay(seed, candidate, nil)

		return found != nil && found.Rule == rule
	}
	for {
		before := weight(steps)
		steps = removeSteps(steps, breaks)
		steps = calmSteps(steps, breaks)
		if weight(steps) == before {
			return steps
		}
	}
}

// weight is what shrinking reduces.
func weight(steps []Step) int {
	sum := 0
	for _, s := range steps {
		sum += 1 << 20
		for _, choice := range s {
			sum += 1<<10 + int(choice)
		}
	}

	return sum
}

// removeSteps removes runs of steps, from long runs to single steps. The first and the last step stay: they begin and end the history.
func removeSteps(steps []Step, breaks func([]Step) bool) []Step {
	for length := len(steps) / 2; length >= 1; length /= 2 {
		for at := 1; at+length <= len(steps)-1; {
			candidate := slices.Concat(steps[:at], steps[at+length:])
			if breaks(candidate) {
				steps = candidate
			} else {
				at += length
			}
		}
	}

	return steps
}

// calmSteps shortens the choices of each step, and lowers each choice.
func calmSteps(steps []Step, breaks func([]Step) bool) []Step {
	try := func(at int, s Step) bool {
		candidate := slices.Clone(steps)
		candidate[at] = s
		if !breaks(candidate) {
			return false
		}
		steps = candidate

		return true
	}
	for at := range steps {
		for n := range steps[at] {
			if try(at, steps[at][:n]) {
				break
			}
		}
		for i := 1; i < len(steps[at]); i++ { // the first choice is the kind of step
			for _, value := range []uint16{0, steps[at][i] / 2, max(steps[at][i], 1) - 1} {
				lower := slices.Clone(steps[at])
				lower[i] = value
				if value < steps[at][i] && try(at, lower) {
					break
				}
			}
		}
	}

	return steps
}
