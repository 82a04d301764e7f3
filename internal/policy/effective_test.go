// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// days after its creation, which was a day ago.
func days(n int) *metav1.Time { return at(created.Add(time.Duration(n) * 24 * time.Hour)) }

func expectTime(t *testing.T, want, got *metav1.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("at %v, want %v", got, want)
	}
}

func TestDeclaredExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		spec v1alpha1.APIKeySpec
		want string
	}{
		"neither: never":                  {v1alpha1.APIKeySpec{}, ""},
		"a time":                          {v1alpha1.APIKeySpec{ExpiresAt: at(now)}, "2026-11-21T12:00:00Z"},
		"a time in another zone":          {v1alpha1.APIKeySpec{ExpiresAt: at(now.In(time.FixedZone("", 3600)))}, "2026-11-21T12:00:00Z"},
		"a fraction is cut off":           {v1alpha1.APIKeySpec{ExpiresAt: at(now.Add(time.Second - 1))}, "2026-11-21T12:00:00Z"},
		"a duration counts from creation": {v1alpha1.APIKeySpec{ValidFor: "1h30m"}, "2026-11-20T13:30:00Z"},
		"a duration that is malformed counts as no time": {v1alpha1.APIKeySpec{ValidFor: "a while"}, "2026-11-20T12:00:00Z"},
		"a negative duration is no time":                 {v1alpha1.APIKeySpec{ValidFor: "-5h"}, "2026-11-20T12:00:00Z"},
		"Go's zero time is a time":                       {v1alpha1.APIKeySpec{ExpiresAt: &metav1.Time{}}, "2000-01-01T00:00:00Z"},
		"a year that a timestamp cannot hold is the last one": {
			v1alpha1.APIKeySpec{ExpiresAt: at(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))},
			"2999-12-31T23:59:59Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := fresh(t, "{}")
			apikey.Spec = c.spec
			got := policy.DeclaredExpiry(apikey)
			text := ""
			if got != nil {
				text = got.UTC().Format(time.RFC3339)
			}
			if text != c.want {
				t.Errorf("expires at %q, want %q", text, c.want)
			}
			if got != nil { // what is compared is what survives being stored
				data, err := json.Marshal(got)
				var back metav1.Time
				if err != nil || json.Unmarshal(data, &back) != nil || !back.Equal(got) || got.IsZero() {
					t.Errorf("%v is stored as %s (%v)", got, data, err)
				}
			}
		})
	}
}

func TestExpiryBeforeTheFirstKey(t *testing.T) {
	for name, c := range map[string]struct {
		spec     string
		policies []string
		want     *metav1.Time
	}{
		"no policy":                             {"{}", nil, nil},
		"a policy on something else":            {"validFor: 240h", []string{"environments: [Production]"}, days(10)},
		"a default":                             {"{}", []string{"expiry: {default: 240h}"}, days(10)},
		"a default for a spec with an end":      {"validFor: 480h", []string{"expiry: {default: 240h}"}, days(20)},
		"a maximum":                             {"{}", []string{"expiry: {maximum: 240h}"}, days(10)},
		"a maximum for a spec with an end":      {`expiresAt: "2027-11-21T12:00:00Z"`, []string{"expiry: {maximum: 240h}"}, days(10)},
		"a maximum after the end":               {"validFor: 120h", []string{"expiry: {maximum: 240h}"}, days(5)},
		"the earliest default":                  {"{}", []string{"expiry: {default: 240h}", "expiry: {default: 120h}", "expiry: {default: 360h}"}, days(5)},
		"the earliest maximum":                  {"validFor: 480h", []string{"expiry: {maximum: 240h}", "expiry: {maximum: 120h}"}, days(5)},
		"a maximum before another's default":    {"{}", []string{"expiry: {default: 240h}", "expiry: {maximum: 120h}"}, days(5)},
		"a default that the schema refuses":     {"{}", []string{"expiry: {default: 1d}"}, nil},
		"a maximum that the schema refuses too": {"validFor: 240h", []string{"expiry: {maximum: 1d}"}, days(10)},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := fresh(t, c.spec)
			expectTime(t, c.want, terms(t, apikey, c.policies...).FixedExpiry())
			expectTime(t, c.want, terms(t, apikey, c.policies...).EffectiveExpiry())

			apikey.Status.ExpiresAt, apikey.Status.ObservedGeneration = days(3), 1 // of an attempt under other policies
			expectTime(t, c.want, terms(t, apikey, c.policies...).FixedExpiry())
			expectTime(t, c.want, terms(t, apikey, c.policies...).EffectiveExpiry())
		})
	}
}

func TestExpiryOfALivingKey(t *testing.T) {
	const unchanged, changed = 1, 2
	for name, c := range map[string]struct {
		recorded   *metav1.Time
		generation int64
		spec       string
		policy     string
		want       *metav1.Time
	}{
		"a default that is new":                             {nil, unchanged, "{}", "expiry: {default: 240h}", nil},
		"a maximum that is new":                             {days(20), unchanged, "validFor: 480h", "expiry: {maximum: 240h}", days(20)},
		"a maximum that is gone":                            {days(10), unchanged, "validFor: 480h", "{}", days(10)},
		"a default that is longer":                          {days(5), unchanged, "{}", "expiry: {default: 240h}", days(5)},
		"a spec that has changed, without policies":         {days(10), changed, "validFor: 480h", "{}", days(20)},
		"an end that was taken out, without policies":       {days(10), changed, "{}", "{}", nil},
		"an end that was taken out, with a default":         {days(5), changed, "{}", "expiry: {default: 240h}", days(10)},
		"an end that was put off up to the maximum":         {days(5), changed, "validFor: 480h", "expiry: {maximum: 240h}", days(10)},
		"another edit, under a tighter maximum":             {days(20), changed, "validFor: 480h", "expiry: {maximum: 240h}", days(20)},
		"another edit, of a key that never ends":            {nil, changed, "{}", "expiry: {maximum: 240h}", nil},
		"an end set on a key that never ended":              {nil, changed, "validFor: 480h", "expiry: {maximum: 240h}", days(20)},
		"an end brought closer, still after a maximum":      {days(30), changed, "validFor: 480h", "expiry: {maximum: 240h}", days(20)},
		"an end brought closer, before a maximum":           {days(30), changed, "validFor: 120h", "expiry: {maximum: 240h}", days(5)},
		"an end by a maximum, under a tighter one":          {days(10), changed, "validFor: 480h", "expiry: {maximum: 120h}", days(10)},
		"an end by a maximum that has become more generous": {days(10), changed, "validFor: 480h", "expiry: {maximum: 360h}", days(15)},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := living(t, c.spec)
			apikey.Generation, apikey.Status.ExpiresAt = c.generation, c.recorded
			expiry := terms(t, apikey, c.policy).FixedExpiry()
			expectTime(t, c.want, expiry)

			apikey.Status.ExpiresAt, apikey.Status.ObservedGeneration = expiry, c.generation
			other := terms(t, apikey, "expiry: {maximum: 96h}")
			expectTime(t, c.want, other.FixedExpiry())
			expectTime(t, c.want, other.EffectiveExpiry())
		})
	}
}

func TestEffectiveExpiryOfAnAnnouncedKey(t *testing.T) {
	apikey := fresh(t, "{}")
	apikey.Status.Keys = []v1alpha1.KeyRecord{{Digest: "new", State: v1alpha1.KeyPending}}
	apikey.Status.ExpiresAt = days(3)
	expectTime(t, days(3), terms(t, apikey, "expiry: {maximum: 240h}").EffectiveExpiry())
	expectTime(t, days(1), terms(t, apikey, "expiry: {maximum: 24h}").EffectiveExpiry())
}

func TestShortcomings(t *testing.T) {
	const late = `APIKeyPolicy "a" lets a key live at most 48h from its creation, and the end of this one was fixed before: set spec.expiresAt or ` +
		`spec.validFor.`
	const without = `APIKeyPolicy "a" demands an expiry, and this key was handed out without one before: set spec.expiresAt or spec.validFor.`
	const spec = `APIKeyPolicy "a" lets a key live at most 48h from its creation: spec.validFor is 49h.`
	for name, c := range map[string]struct {
		apikey *v1alpha1.APIKey
		policy string
		expiry *metav1.Time
		want   []string
	}{
		"an expiry that is allowed":           {living(t, "{}"), "expiry: {maximum: 48h}", days(2), nil},
		"an expiry that is too late":          {living(t, "{}"), "expiry: {maximum: 48h}", days(3), []string{late}},
		"no expiry, under a maximum":          {living(t, "{}"), "expiry: {maximum: 48h}", nil, []string{late}},
		"no expiry where one is required":     {living(t, "{}"), "expiry: {required: true, default: 24h}", nil, []string{without}},
		"a spec that is reported already":     {living(t, "validFor: 49h"), "expiry: {maximum: 48h}", days(3), []string{spec}},
		"no expiry, and none is required":     {living(t, "{}"), "expiry: {default: 24h}", nil, nil},
		"a policy that is about other things": {living(t, "{}"), "permissions: [a]", nil, nil},
		"a key that was not handed out":       {fresh(t, "{}"), "expiry: {maximum: 48h}", days(3), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, terms(t, c.apikey, c.policy).Shortcomings(c.expiry, now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
