// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

func drawn(seed uint64) schedule.Schedule {
	return schedule.Draw(schedule.Options{Seed: seed, Duration: 5 * time.Minute, Keys: 200})
}

func TestASeedDeterminesTheSchedule(t *testing.T) {
	if diff := cmp.Diff(drawn(7), drawn(7)); diff != "" {
		t.Errorf("the same seed gives another schedule:\n%s", diff)
	}
	if cmp.Equal(drawn(7), drawn(8)) {
		t.Error("another seed gives the same schedule")
	}
}

func TestProcessesFailMoreThanTwiceASecond(t *testing.T) {
	for seed := range uint64(20) {
		s := drawn(seed)
		count := 0
		for _, f := range s.Faults {
			if f.OnProcess() {
				count++
			}
		}
		if rate := float64(count) / (5 * time.Minute).Seconds(); rate < 2.2 {
			t.Errorf("seed %d: %.2f faults of processes a second", seed, rate)
		}
	}
}

func TestEverythingHappens(t *testing.T) {
	type form struct {
		Target schedule.Target
		Kind   schedule.FaultKind
	}
	s := drawn(1)
	faults := map[form]bool{}
	for _, f := range s.Faults {
		faults[form{f.Target, f.Kind}] = true
	}
	for _, target := range slices.Concat([]schedule.Target{schedule.APIServer, schedule.Etcd}, schedule.Operators(), schedule.Verifiers()) {
		for _, kind := range []schedule.FaultKind{schedule.Kill, schedule.Stop} {
			if !faults[form{target, kind}] {
				t.Errorf("no %s of %s", kind, target)
			}
		}
	}
	kinds := map[schedule.OperationKind]bool{}
	for _, op := range s.Operations {
		kinds[op.Kind] = true
	}
	if len(kinds) != 15 {
		t.Errorf("only these operations: %v", kinds)
	}
}

func TestOrderAndRange(t *testing.T) {
	for seed := range uint64(20) {
		s := drawn(seed)
		if !slices.IsSortedFunc(s.Faults, func(a, b schedule.Fault) int { return int(a.At - b.At) }) {
			t.Errorf("seed %d: the faults are not in order", seed)
		}
		numbers := map[int]int{}
		for _, op := range s.Operations {
			if op.Number != numbers[op.Slot] {
				t.Fatalf("seed %d: operation %d of slot %d comes after %d others", seed, op.Number, op.Slot, numbers[op.Slot])
			}
			if (op.Number == 0) != (op.Kind == schedule.Create) {
				t.Errorf("seed %d: operation %d of slot %d is %s", seed, op.Number, op.Slot, op.Kind)
			}
			numbers[op.Slot]++
			if op.At < 0 || op.At >= 5*time.Minute {
				t.Errorf("seed %d: an operation at %s", seed, op.At)
			}
		}
	}
}

// A lull lets budgets run out: nothing but short stops of verifiers.
func TestLulls(t *testing.T) {
	for seed := range uint64(20) {
		for _, f := range drawn(seed).Faults {
			if f.At%schedule.Cycle < 33*time.Second {
				continue
			}
			if !slices.Contains(schedule.Verifiers(), f.Target) || f.Kind != schedule.Stop || f.For > time.Second {
				t.Errorf("seed %d: in a lull: %+v", seed, f)
			}
		}
	}
}

func TestCheckRefusesWhatHasNoSchedule(t *testing.T) {
	for name, o := range map[string]schedule.Options{
		"too short":     {Duration: time.Second, Keys: 1},
		"too long":      {Duration: 25 * time.Hour, Keys: 1},
		"no keys":       {Duration: time.Minute},
		"too many keys": {Duration: time.Minute, Keys: 5001},
	} {
		if o.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (schedule.Options{Duration: time.Minute, Keys: 200}).Check(); err != nil {
		t.Error(err)
	}
}
