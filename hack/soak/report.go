// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/montanaflynn/stats"

	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// printedViolations is how many broken rules are printed.
const printedViolations = 50

// report prints the progress, and each broken rule once it is found, until ctx ends.
func (s *soak) report(ctx context.Context) {
	printed := 0
	for pause(ctx, progressEvery) {
		violations := s.oracle.Violations()
		for _, v := range violations[printed:min(len(violations), printedViolations)] {
			s.log.Printf("VIOLATION %s", s.describe(v))
			printed++
		}
		counts := s.oracle.Counts()
		s.tally.mu.Lock()
		operations, kills, stops, silent := sum(s.tally.operations), s.tally.ofKind(schedule.Kill), s.tally.ofKind(schedule.Stop), s.tally.unanswered
		s.tally.mu.Unlock()
		s.log.Printf("%d operations, %d keys; %d kills, %d stops; answers: %d live, %d dead, %d open, %d none; not settled: %d; violations: %d",
			operations, s.vault.size(), kills, stops, counts.Live, counts.Dead, counts.Open, silent+counts.Unavailable,
			len(s.oracle.Unsettled()), len(violations))
	}
}

// describe returns when a rule was broken, and how.
func (s *soak) describe(v oracle.Violation) string {
	return fmt.Sprintf("%s, %s in: %s: %s", v.At.UTC().Format("15:04:05.000"), v.At.Sub(s.began).Round(time.Millisecond), v.Rule, v.Detail)
}

// print prints the result and returns the exit code.
func (s *soak) print(out io.Writer) int {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	s.printFaults(line)
	line("operations", "%d on %d APIKeys, %d keys; %d skipped after outages, %d refused by the API server",
		sum(s.tally.operations), s.options.Keys, s.vault.size(), s.tally.skipped, s.tally.refused)
	for _, kind := range slices.Sorted(maps.Keys(s.tally.operations)) {
		line("", "%6d %s", s.tally.operations[kind], kind)
	}
	counts := s.oracle.Counts()
	line("requests", "%d asked: %d about live keys, %d about dead ones, %d of which either answer was right, %d without an answer or 503",
		sum(s.tally.asked), counts.Live, counts.Dead, counts.Open, s.tally.unanswered+counts.Unavailable)
	line("carried out", "%s after the acknowledgement of an operation", percentiles(s.oracle.Delays()))
	line("recovery", "operators: %s from the end of a fault to the next operation carried out", percentiles(s.operatorRecoveries()))
	line("", "verifiers: %s from the end of a fault to the next answer", percentiles(s.tally.recoveries))
	line("seed", "%d (--seed=%d --duration=%s --keys=%d repeats operations and faults)",
		s.options.Seed, s.options.Seed, s.options.Duration, s.options.Keys)
	violations := s.oracle.Violations()
	line("violations", "%d", len(violations))
	for i, v := range violations {
		if i == printedViolations {
			line("", "and %d more", len(violations)-i)

			break
		}
		line("", "%s", s.describe(v))
	}
	if len(violations) > 0 {
		return exitFailed
	}

	return exitOK
}

// printFaults prints how often what has failed. The caller holds the lock of the tally.
func (s *soak) printFaults(line func(name, format string, args ...any)) {
	onProcesses := 0
	for form, count := range s.tally.faults {
		if (schedule.Fault{Target: form.target, Kind: form.kind}).OnProcess() {
			onProcesses += count
		}
	}
	line("faults", "%d in %s, %.1f kills and stops of operators and verifiers a second", sum(s.tally.faults), s.took.Round(time.Second),
		float64(onProcesses)/s.took.Seconds())
	for _, kind := range []schedule.FaultKind{schedule.Kill, schedule.Stop, schedule.Break, schedule.Swallow} {
		var targets []string
		for _, target := range []schedule.Target{
			schedule.Operator1, schedule.Operator2, schedule.Verifier1, schedule.Verifier2, schedule.APIServer, schedule.Etcd,
		} {
			if count := s.tally.faults[faultForm{target, kind}]; count > 0 {
				targets = append(targets, fmt.Sprintf("%s %d", target, count))
			}
		}
		line("", "%6d %s: %s", s.tally.ofKind(kind), kind, strings.Join(targets, ", "))
	}
	line("", "%6d processes ended by themselves, such as an operator that has lost the lease", sum(s.tally.restarts))
	line("", "%6d standstills of the machine, after which the oracle counts anew", s.tally.standstill)
}

// operatorRecoveries returns the times from the ends of faults to the next operation that was carried out.
func (s *soak) operatorRecoveries() []time.Duration {
	var list []time.Duration
	for _, end := range s.tally.ends {
		if at, ok := s.oracle.CompletedAfter(end); ok {
			list = append(list, at.Sub(end))
		}
	}

	return list
}

// percentiles formats the median and the 99th percentile.
func percentiles(list []time.Duration) string {
	var seconds []float64
	for _, d := range list {
		seconds = append(seconds, d.Seconds())
	}
	median, errMedian := stats.PercentileNearestRank(seconds, 50)
	high, errHigh := stats.PercentileNearestRank(seconds, 99)
	if errMedian != nil || errHigh != nil {
		return "nothing"
	}

	return fmt.Sprintf("p50 %.2f s, p99 %.2f s of %d", median, high, len(seconds))
}
