// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"slices"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// maxTimeline is how many moments a timeline shows.
const maxTimeline = 40

// timelineEntry is a moment of a timeline.
type timelineEntry struct {
	What string
	When moment
	// Now marks the present, between what will be and what was.
	Now, Ahead bool
}

// timelineOf returns moments with the latest first and the present among them.
func timelineOf(moments []operations.Moment, now time.Time) []timelineEntry {
	var entries []timelineEntry
	passed := false
	for _, m := range slices.Backward(moments) {
		ahead := m.At.After(now)
		if !ahead && !passed {
			passed = true
			entries = append(entries, timelineEntry{What: "Now", When: moment{Words: clockTime(now, now)}, Now: true})
		}
		words := date(m.At, now) + ", " + since(m.At, now)
		if ahead {
			words = date(m.At, now) + ", " + until(m.At, now)
		}
		entries = append(entries, timelineEntry{What: capital(m.What), When: moment{words, exact(m.At, now)}, Ahead: ahead})
	}

	return entries[:min(len(entries), maxTimeline)]
}
