// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The tones of chips and notes. Colour never stands alone: each chip has a word.
const (
	toneOK   = "ok"   // it works
	toneWarn = "warn" // a person is needed soon
	toneBad  = "bad"  // a person is needed now
	toneOff  = "off"  // over, or switched off
)

// chip is a state in a word or a few.
type chip struct {
	Text, Tone string
	// Hollow marks what is over, or has not begun.
	Hollow bool
}

// chipOf returns the state of a key, in the order of how much it matters.
func chipOf(s *summary, now time.Time) chip {
	if s.deleting {
		return chip{"Being deleted", toneOff, true}
	}
	switch s.statusAt(now) {
	case v1alpha1.PhaseRevoked:
		if s.unclaimed(now) {
			return chip{"Inactive, not claimed", toneOff, true}
		}

		return chip{"Inactive, revoked", toneOff, true}
	case v1alpha1.PhaseExpired:
		return chip{"Expired", toneOff, true}
	case v1alpha1.PhaseSuspended:
		return chip{"Inactive, disabled", toneOff, false}
	default:
		return liveChip(s, now)
	}
}

// liveChip returns the state of a key that should work, or will.
func liveChip(s *summary, now time.Time) chip {
	pending := s.view.Status == v1alpha1.PhasePending
	switch {
	case s.broken != "":
		return chip{"Refused: disputed", toneBad, false}
	case pending && s.stalled != "":
		return chip{"No key: " + stalledWords(s.stalled), toneBad, false}
	case pending:
		return chip{"Being made", toneWarn, true}
	case s.stalled != "":
		return chip{"Stuck: " + stalledWords(s.stalled), toneBad, false}
	case s.overlapEnds.After(now):
		return chip{"Rotating until " + clockTime(s.overlapEnds, now), toneWarn, false}
	case s.view.Delivery.Awaits():
		return chip{"To be claimed until " + clockTime(*s.view.Delivery.Deadline, now), toneWarn, false}
	case s.noncompliant:
		return chip{"Active, against policy", toneWarn, false}
	case s.view.LastUsed == nil:
		return chip{"Active, never used", toneOK, true}
	default:
		return chip{"Active", toneOK, false}
	}
}

// stalledWords says in a few words why the operator cannot go on.
func stalledWords(reason string) string {
	words := map[string]string{
		v1alpha1.ReasonSecretConflict:    "Secret name is taken",
		v1alpha1.ReasonSecretTerminating: "Secret is being deleted",
		v1alpha1.ReasonPolicyDenied:      "a policy refuses it",
		v1alpha1.ReasonGuardrailsMissing: "guardrails are missing",
		v1alpha1.ReasonRequestRefused:    "the operator lacks a right",
		v1alpha1.ReasonRequestFailed:     "requests fail",
		v1alpha1.ReasonDisputed:          "another APIKey has it",
	}[reason]
	if words == "" {
		return reason
	}

	return words
}
