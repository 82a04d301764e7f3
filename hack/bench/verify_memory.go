// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
)

const (
	// memoryLimit is the memory limit of the verifier's container in config/verifier/verifier.yaml, which the Deployment hands to Go as
	// GOMEMLIMIT.
	memoryLimit = 512 * mebi
	// memoryShare is the part of the limit that the verifier may take at its peak with 100,000 keys.
	memoryShare = 0.6
)

// verifierMemory returns the memory of a verifier that knows n keys and has answered no request.
func (b *verifyBench) verifierMemory(ctx context.Context, n int) (settled memory, err error) {
	b.log.printf("memory of the verifier with %d keys (until a garbage collection has passed, up to 3 minutes)", n)
	ctx, cancel := withTimeout(ctx, startTimeout+memoryTimeout, "waiting for steady memory")
	defer cancel()
	err = b.withVerifier(ctx, func(ctx context.Context, p *program) (err error) {
		settled, err = b.settledMemory(ctx, p, func(found families) bool { return int(found.sum("apikey_verifier_index_keys")) == n })

		return err
	})

	return settled, err
}

func (b *verifyBench) reportMemory(empty, full memory) {
	n := b.options.keys
	b.report.add(memoryFigures(empty, full, n, &aim{atMost, 1.5})...)
	b.report.add(figure{
		Key: "memory.total_per_key", Name: "resident memory / keys", Value: full.resident / float64(n) / kibi, Unit: "KiB",
		Note: "with the memory of a verifier without keys",
	})
	b.report.add(peakFigure("memory.peak_share", "peak at start / memory limit", full))
	b.report.explain("Memory: the verifier is started afresh and answers no request; memory is read once it knows all keys, a garbage collection\n"+
		"has passed since, and %d readings a second apart are within %.0f %%. The peak is VmHWM from the start of the process on. GOMEMLIMIT is\n"+
		"%d MiB, the limit of the container in config/verifier; the aim is for 100000 keys.", steadyReadings, steadySpread*100, memoryLimit/mebi)
}

// peakFigure compares a peak with the limit.
func peakFigure(key, name string, m memory) figure {
	return figure{
		Key: key, Name: name, Value: m.peak / memoryLimit, Aim: &aim{atMost, memoryShare},
		Note: fmt.Sprintf("%.0f MiB of %d MiB", m.peak/mebi, memoryLimit/mebi),
	}
}

// reportLoaded reports the memory after all load, with the last use of each key and the buckets of rate limits.
func (b *verifyBench) reportLoaded(ctx context.Context, verifier *program) error {
	found, err := verifier.families(ctx)
	if err != nil {
		return err
	}
	now, err := verifier.memory(found)
	if err != nil {
		return err
	}
	b.report.add(figure{
		Key: "memory.loaded", Name: "resident memory after all load", Value: now.resident / mebi, Unit: "MiB",
		Note: "with the last use of each key, and the buckets of rate limits",
	}, peakFigure("memory.loaded_peak_share", "peak at start and under all load / memory limit", now))

	return nil
}
