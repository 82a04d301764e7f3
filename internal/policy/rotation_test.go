// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func rotationCases() []demandCase {
	return []demandCase{
		{"a rotation is required, and there", "rotation: {required: true}", "rotation: {every: 1h}", ""},
		{"a rotation is required", "rotation: {required: true}", "{}", "demands a rotation: set spec.rotation.every."},
		{"a rotation is required, not an overlap", "rotation: {required: true}", "rotation: {overlap: 1h}",
			"demands a rotation: set spec.rotation.every."},
		{"a rotation is required, and has a maximum", "rotation: {required: true, maximumAge: 24h}", "{}",
			"demands a rotation: set spec.rotation.every to at most 24h."},
		{"a rotation is not required", "rotation: {required: false, maximumAge: 24h}", "{}", ""},
		{"the rarest rotation", "rotation: {maximumAge: 24h}", "rotation: {every: 1440m}", ""},
		{"a rarer rotation", "rotation: {maximumAge: 24h}", "rotation: {every: 24h1s}",
			"demands that a key is at most 24h old: spec.rotation.every is 24h1s."},
	}
}

func TestViolationByAge(t *testing.T) {
	const tooOld = `APIKeyPolicy "a" demands that a key is at most 24h old: the active one is older. Rotate it, or set spec.rotation.every.`
	retired := living(t, "{}")
	retired.Status.Keys[0].State = v1alpha1.KeyRetiring
	for name, c := range map[string]struct {
		apikey *v1alpha1.APIKey
		at     time.Time
		want   []string
	}{
		"young enough":                     {living(t, "{}"), created.Add(24*time.Hour - time.Second), nil},
		"too old":                          {living(t, "{}"), created.Add(24 * time.Hour), []string{tooOld}},
		"replaced on a schedule":           {living(t, "rotation: {every: 24h}"), created.Add(48 * time.Hour), nil},
		"replaced on a malformed schedule": {living(t, "rotation: {every: daily}"), created.Add(24 * time.Hour), []string{tooOld}},
		"not handed out":                   {fresh(t, "{}"), created.Add(48 * time.Hour), nil},
		"replaced since":                   {retired, created.Add(48 * time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, terms(t, c.apikey, "rotation: {maximumAge: 24h}").Violations(c.at)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextViolation(t *testing.T) {
	under := terms(t, living(t, "{}"), "rotation: {maximumAge: 30h}", "rotation: {maximumAge: 25h}", "roles: [a]")
	for _, c := range []struct{ after, want time.Duration }{{0, 25 * time.Hour}, {25 * time.Hour, 30 * time.Hour}} {
		if got := under.NextViolation(created.Add(c.after)); !got.Equal(at(created.Add(c.want))) {
			t.Errorf("after %s the next one is at %v, want %s after the creation", c.after, got, c.want)
		}
	}
	if got := under.NextViolation(created.Add(30 * time.Hour)); got != nil {
		t.Errorf("at %v, want none", got)
	}
}
