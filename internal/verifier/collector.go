// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"os"
	"runtime/debug"
)

const (
	// gcPercent is how much the heap grows between two garbage collections, in per cent of what is alive and of the ballast.
	// Memory stays in proportion to the number of keys, and GOMEMLIMIT, which the Deployment sets to the limit of the
	// container, lets Go collect more often before that limit is reached.
	gcPercent = 100
	// ballastSize is how much the heap grows between two collections at least, in bytes. An index of a few keys is small, so
	// that the garbage of some thousand requests would double the heap, many times a second. With 1,000 keys an answer over
	// HTTP took 1.07 of the processor time of a 200 with the same headers; with the ballast it takes 1.01 (bench verify
	// --keys 1000, 4 rounds, 2 cores, 2026-11-26).
	ballastSize = 48 << 20
)

// setCollector sets how often garbage is collected, unless GOGC says it. The caller keeps what it returns for as long as the
// program runs. The ballast counts as alive and takes addresses only: it is never written, so no page of memory belongs to it.
func setCollector() (ballast []byte) {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(gcPercent)

	return make([]byte, ballastSize)
}
