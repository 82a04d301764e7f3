// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// tally counts what has happened. It is safe for concurrent use.
type tally struct {
	mu         sync.Mutex
	faults     map[faultForm]int
	operations map[schedule.OperationKind]int
	skipped    int
	refused    int
	restarts   map[schedule.Target]int
	asked      map[schedule.Target]int
	unanswered int
	standstill int

	// ends are the ends of faults that keep an operator from its work.
	ends []time.Time
	// pending are the ends of faults after which a verifier has not answered yet, and recoveries the times until it has.
	pending    map[schedule.Target][]time.Time
	recoveries []time.Duration
}

// faultForm is a kind of fault of a target.
type faultForm struct {
	target schedule.Target
	kind   schedule.FaultKind
}

func newTally() *tally {
	return &tally{
		faults: map[faultForm]int{}, operations: map[schedule.OperationKind]int{}, restarts: map[schedule.Target]int{},
		asked: map[schedule.Target]int{}, pending: map[schedule.Target][]time.Time{},
	}
}

// fault counts a fault.
func (t *tally) fault(f schedule.Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[faultForm{f.Target, f.Kind}]++
}

// faultEnded notes the end of a fault, from which the recovery counts.
func (t *tally) faultEnded(target schedule.Target, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(schedule.Verifiers(), target) {
		t.pending[target] = append(t.pending[target], at)

		return
	}
	t.ends = append(t.ends, at)
}

// endedByItself counts a process that has ended without a kill, such as an operator that has lost the lease.
func (t *tally) endedByItself(target schedule.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restarts[target]++
}

// operation counts an operation that was carried out.
func (t *tally) operation(kind schedule.OperationKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.operations[kind]++
}

// skip counts an operation that an outage has delayed for too long.
func (t *tally) skip() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped++
}

// refuse counts an operation that the API server has refused, such as a later expiry of a key that has expired meanwhile.
func (t *tally) refuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused++
}

// standstills counts a pause in which the machine did not run the soak.
func (t *tally) standstills() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.standstill++
}

// answered counts an answer of a verifier to a request that was sent at a time.
func (t *tally) answered(target schedule.Target, sent, received time.Time, decided bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[target]++
	if !decided {
		return
	}
	t.pending[target] = slices.DeleteFunc(t.pending[target], func(end time.Time) bool {
		over := sent.After(end)
		if over {
			t.recoveries = append(t.recoveries, received.Sub(end))
		}

		return over
	})
}

// unanswer counts a request without an answer.
func (t *tally) unanswer(target schedule.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[target]++
	t.unanswered++
}

// sum adds the counts of a map.
func sum[K comparable](counts map[K]int) int {
	total := 0
	for count := range maps.Values(counts) {
		total += count
	}

	return total
}

// ofKind counts the faults of a kind.
func (t *tally) ofKind(kind schedule.FaultKind) int {
	count := 0
	for form, n := range t.faults {
		if form.kind == kind {
			count += n
		}
	}

	return count
}
