// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much the heap may grow between two garbage collections, in per cent of what is alive. A collection looks at
// the whole index; with Go's 100 the verifier collects twice as often. Memory stays in proportion to the number of keys, and
// GOMEMLIMIT, which the Deployment sets to the limit of the container, lets Go collect more often before that limit is reached.
const gcPercent = 150

// setCollector sets how often garbage is collected, unless GOGC says it.
func setCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
