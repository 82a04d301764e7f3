// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/simulation"
)

// histories is how many histories `make test` runs. `make simulate` runs a million others.
const histories = 20_000

// TestSomeHistories runs with the race detector if the others do. TestHistoriesAndMutants runs all of them.
func TestSomeHistories(t *testing.T) {
	campaign := &simulation.Campaign{First: firstOfTest, Count: histories / 100, Workers: runtime.GOMAXPROCS(0)}
	found, err := campaign.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found != nil {
		t.Fatalf("%s\nTo repeat it: go run ./hack/simulate -first %d -count 1", found, found.Seed)
	}
}

func TestASeedIsOneHistory(t *testing.T) {
	runner, err := simulation.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(200) {
		steps, _ := runner.Record(seed)
		var first, second []string
		_ = runner.Replay(seed, steps, func(line string) { first = append(first, line) })
		again, _ := runner.Record(seed)
		_ = runner.Replay(seed, again, func(line string) { second = append(second, line) })
		if !slices.Equal(first, second) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(first, second))
		}
	}
}
