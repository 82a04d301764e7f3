// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// maxTimeline is how many moments a timeline shows.
const maxTimeline = 40

// timelineEntry is a moment of a timeline.
type timelineEntry struct {
	What string
	When moment
	// Now marks the present, between what will be and what was.
	Now, Ahead, Warning bool
}

// momentWords says what happened. The type and the reason of an event are for machines.
func momentWords(m operations.Moment) string {
	if m.Event != nil {
		return capital(m.Event.Message)
	}

	trigger, isRotation := strings.CutPrefix(strings.TrimSuffix(m.What, ")"), "rotated (")
	if !isRotation {
		return capital(m.What)
	}
	words := map[v1alpha1.RotationTrigger]string{
		v1alpha1.TriggerAnnotation:     "Regenerated on request",
		v1alpha1.TriggerSchedule:       "Regenerated on schedule",
		v1alpha1.TriggerSecretDeleted:  "Regenerated because its Secret was deleted",
		v1alpha1.TriggerSecretModified: "Regenerated because its Secret was changed",
		v1alpha1.TriggerRecovered:      "Regenerated after an interruption",
	}[v1alpha1.RotationTrigger(trigger)]

	return cmp.Or(words, capital(m.What))
}

// repeats reports whether an event tells no more than the status does: that a key was made whose record is there.
func repeats(m operations.Moment, all []operations.Moment) bool {
	return m.Event != nil && !m.Event.Warning && slices.ContainsFunc(all, func(other operations.Moment) bool {
		id, minted := strings.CutSuffix(strings.TrimPrefix(other.What, "key "), " minted")

		return minted && other.Event == nil && strings.Contains(m.Event.Message, id)
	})
}

// timelineOf returns moments with the latest first and the present among them.
func timelineOf(moments []operations.Moment, now time.Time) []timelineEntry {
	var entries []timelineEntry
	passed := false
	for _, m := range slices.Backward(slices.DeleteFunc(slices.Clone(moments), func(m operations.Moment) bool { return repeats(m, moments) })) {
		ahead := m.At.After(now)
		if !ahead && !passed {
			passed = true
			entries = append(entries, timelineEntry{What: "Now", When: moment{Words: clockTime(now, now)}, Now: true})
		}
		entries = append(entries, timelineEntry{
			What: momentWords(m), When: moment{dayOrTime(m.At, now) + ", " + until(m.At, now), exact(m.At, now)}, Ahead: ahead,
			Warning: m.Event != nil && m.Event.Warning,
		})
	}

	return entries[:min(len(entries), maxTimeline)]
}
