// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

func TestWarnBefore(t *testing.T) {
	const hour = time.Hour
	byDefault := []time.Duration{720 * hour, 168 * hour, 24 * hour}
	for name, c := range map[string]struct {
		policies []string
		want     []time.Duration
	}{
		"no policy":                      {nil, byDefault},
		"a policy on something else":     {[]string{"environments: [Production]"}, byDefault},
		"a policy on another expiry":     {[]string{"expiry: {maximum: 720h}"}, byDefault},
		"an empty list":                  {[]string{"expiry: {warnBefore: []}"}, byDefault},
		"a list":                         {[]string{"expiry: {warnBefore: [48h, 90m]}"}, []time.Duration{48 * hour, 90 * time.Minute}},
		"the lists of two policies":      {[]string{"expiry: {warnBefore: [48h]}", "expiry: {warnBefore: [2h]}"}, []time.Duration{48 * hour, 2 * hour}},
		"the shortest and the longest":   {[]string{"expiry: {warnBefore: [1m, 8760h]}"}, []time.Duration{time.Minute, 8760 * hour}},
		"only what the schema refuses":   {[]string{"expiry: {warnBefore: [59s, 8761h, 2d, -3h]}"}, byDefault},
		"also what the schema refuses":   {[]string{"expiry: {warnBefore: [59s, 3h]}"}, []time.Duration{3 * hour}},
		"a fraction of a second is lost": {[]string{"expiry: {warnBefore: [90500ms]}"}, []time.Duration{90 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, terms(t, living(t, "{}"), c.policies...).WarnBefore()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSpelled(t *testing.T) {
	for d, want := range map[time.Duration]v1alpha1.Duration{
		720 * time.Hour: "720h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 61 * time.Second: "1m1s", time.Hour + time.Second: "1h0m1s",
	} {
		got := policy.Spelled(d)
		if parsed, ok := got.Parse(); got != want || !ok || parsed != d {
			t.Errorf("%s is spelled %q, want %q", d, got, want)
		}
	}
}

func TestClaimDeadline(t *testing.T) {
	record := func(state v1alpha1.KeyState, deadline int) v1alpha1.KeyRecord {
		r := v1alpha1.KeyRecord{State: state}
		if deadline > 0 {
			r.ClaimDeadline = days(deadline)
		}

		return r
	}
	for name, c := range map[string]struct {
		records []v1alpha1.KeyRecord
		want    int
	}{
		"no key":                              {nil, 0},
		"a key whose Secret stays":            {[]v1alpha1.KeyRecord{record(v1alpha1.KeyActive, 0)}, 0},
		"a key to claim":                      {[]v1alpha1.KeyRecord{record(v1alpha1.KeyActive, 2)}, 2},
		"an announced key ends by itself":     {[]v1alpha1.KeyRecord{record(v1alpha1.KeyPending, 1), record(v1alpha1.KeyActive, 2)}, 2},
		"a replaced key ends by itself":       {[]v1alpha1.KeyRecord{record(v1alpha1.KeyRetiring, 1), record(v1alpha1.KeyActive, 0)}, 0},
		"of two active keys the earlier time": {[]v1alpha1.KeyRecord{record(v1alpha1.KeyActive, 3), record(v1alpha1.KeyActive, 2)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := living(t, "{}")
			apikey.Status.Keys = c.records
			got := policy.ClaimDeadline(apikey)
			if c.want == 0 {
				expectTime(t, nil, got)
			} else {
				expectTime(t, days(c.want), got)
			}
		})
	}
}
