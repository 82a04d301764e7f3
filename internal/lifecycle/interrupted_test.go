// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"slices"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// An interrupted mint leaves an announced key in the Secret, with labels from before a change of spec. The simulation found that the next pass
// recorded the new generation and left the labels.
func TestASecretThatAnInterruptedMintWroteIsReadAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*lifecycle.Secret)
		version string
		retry   bool
	}{
		"in shape":                {change: func(*lifecycle.Secret) {}, version: ref.ResourceVersion},
		"out of shape":            {change: func(s *lifecycle.Secret) { s.InShape = false }, version: "0", retry: true},
		"holds a previous key":    {change: func(s *lifecycle.Secret) { s.PreviousDigest = "old" }, version: "0", retry: true},
		"both of them at present": {change: func(s *lifecycle.Secret) { s.InShape, s.PreviousDigest = false, "old" }, version: "0", retry: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: settled(with(record("new", v1alpha1.KeyPending))), Secret: owned("new")}
			c.change(&o.Secret)
			plan := lifecycle.Decide(o, now)
			if plan.Action != lifecycle.Promote || plan.RetryAfter > 0 != c.retry {
				t.Errorf("the plan is %+v", plan)
			}
			if got := lifecycle.PromotedRef(o).ResourceVersion; got != c.version {
				t.Errorf("resourceVersion %q, want %q", got, c.version)
			}
		})
	}
}

// Two operators whose clocks differ can disagree on whether the announced key in the Secret can still be claimed. The simulation found that one
// promoted it, which dropped the record of the key that the other was about to write into the Secret.
func TestAKeyIsPromotedAfterAFenceIfAnotherWasAnnouncedAfterIt(t *testing.T) {
	pending := func(name string) v1alpha1.KeyRecord { return record(name, v1alpha1.KeyPending) }
	for name, c := range map[string]struct {
		records []v1alpha1.KeyRecord
		fence   bool
	}{
		"alone":                {[]v1alpha1.KeyRecord{pending("new")}, false},
		"after another":        {[]v1alpha1.KeyRecord{pending("before"), pending("new")}, false},
		"before another":       {[]v1alpha1.KeyRecord{pending("new"), pending("after")}, true},
		"between others":       {[]v1alpha1.KeyRecord{pending("before"), pending("new"), pending("after")}, true},
		"beside an active one": {[]v1alpha1.KeyRecord{pending("new"), record("active", v1alpha1.KeyActive)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			plan := lifecycle.Decide(lifecycle.Observed{APIKey: settled(with(c.records...)), Secret: owned("new")}, now)
			if plan.Action != lifecycle.Promote || plan.Fence != c.fence {
				t.Errorf("the plan is %+v", plan)
			}
		})
	}
}

// The record of an overlap that is over makes the operator remove the previous key from the Secret. The simulation found that the report of
// a failed attempt dropped it, and the key stayed.
func TestAFailureKeepsTheRecordOfAPreviousKeyInTheSecret(t *testing.T) {
	over := settled(with(
		record("gone", v1alpha1.KeyRetiring, now.Add(-time.Hour)), record("old", v1alpha1.KeyRetiring, now), record("active", v1alpha1.KeyActive),
	))
	read := owned("active")
	read.PreviousDigest = "old"
	for name, c := range map[string]struct {
		secret lifecycle.Secret
		want   []string
	}{
		"not read": {secret: in(lifecycle.SecretUnread), want: []string{"gone Retiring", "old Retiring", "active Active"}},
		"changed":  {secret: in(lifecycle.SecretChanged), want: []string{"gone Retiring", "old Retiring", "active Active"}},
		"read":     {secret: read, want: []string{"old Retiring", "active Active"}},
		"absent":   {secret: in(lifecycle.SecretAbsent), want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: over, Secret: c.secret}
			if got := states(lifecycle.Failed(o, lifecycle.Failure{Message: "once"}, now)); !slices.Equal(got, c.want) {
				t.Errorf("records %v, want %v", got, c.want)
			}
		})
	}
}

// A fence drops the announced keys, which had made the operator look at the Secret. The simulation found that a Secret that was edited before
// the fence stayed as it was.
func TestASecretWithoutTheActiveKeyIsReadAgainAfterAFence(t *testing.T) {
	for name, c := range map[string]struct {
		secret  lifecycle.Secret
		version string
	}{
		"it holds the active key": {secret: owned("active"), version: "9"},
		"it was edited":           {secret: owned("another"), version: "0"},
		"it is new":               {secret: in(lifecycle.SecretAbsent), version: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: settled(with(record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending))), Secret: c.secret}
			s := lifecycle.Fenced(o, v1alpha1.SecretReference{Name: ref.Name, UID: ref.UID, ResourceVersion: "9"}, now)
			if got := s.SecretRef.ResourceVersion; got != c.version {
				t.Errorf("resourceVersion %q, want %q", got, c.version)
			}
			if slices.ContainsFunc(s.Keys, func(r v1alpha1.KeyRecord) bool { return r.State == v1alpha1.KeyPending }) {
				t.Errorf("records %v", states(s))
			}
		})
	}
}
