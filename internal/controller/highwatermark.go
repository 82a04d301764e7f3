// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strconv"
	"sync/atomic"
)

// HighWaterMark is the highest resourceVersion that a watch has delivered. Resource versions of one resource are ordered numbers
// (KEP-5504), so a write below the mark has been delivered, or superseded.
type HighWaterMark struct{ highest atomic.Uint64 }

// Observe raises the mark to a resourceVersion that the watch has delivered.
func (f *HighWaterMark) Observe(resourceVersion string) {
	version, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return // a version that is no number has no order
	}
	for seen := f.highest.Load(); seen < version && !f.highest.CompareAndSwap(seen, version); {
		seen = f.highest.Load()
	}
}

// Reached reports whether the watch has delivered a resourceVersion. It returns true for a version that is no number.
func (f *HighWaterMark) Reached(resourceVersion string) bool {
	version, err := strconv.ParseUint(resourceVersion, 10, 64)

	return err != nil || f.highest.Load() >= version
}
