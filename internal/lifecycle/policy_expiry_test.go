// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// days after its creation, which was a day ago.
func days(n int) *metav1.Time { return at(created.Add(time.Duration(n) * 24 * time.Hour)) }

func expectTime(t *testing.T, want, got *metav1.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("at %v, want %v", got, want)
	}
}

func TestExpiryOfAKeyThatWasNeverHandedOut(t *testing.T) {
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
		"a default that nobody could store":     {"{}", []string{"expiry: {default: 1d}"}, nil},
		"a maximum that nobody could store too": {"validFor: 240h", []string{"expiry: {maximum: 1d}"}, days(10)},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{Key: declared(t, c.spec), Policies: policies(t, c.policies...), Secret: in(lifecycle.SecretAbsent)}
			expectTime(t, c.want, lifecycle.Announced(o, "new", "new", now).ExpiresAt)

			o.Key.Status.ExpiresAt, o.Key.Status.ObservedGeneration = days(3), 1
			expectTime(t, c.want, lifecycle.Announced(o, "new", "new", now).ExpiresAt)
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
			key := settled()
			key.Generation, key.Status.ExpiresAt = c.generation, c.recorded
			if err := yaml.UnmarshalStrict([]byte(c.spec), &key.Spec); err != nil {
				t.Fatal(err)
			}
			o := lifecycle.Observed{Key: key, Policies: policies(t, c.policy), Secret: owned("active")}
			key.Status = lifecycle.Settled(o, now)
			expectTime(t, c.want, key.Status.ExpiresAt)

			o.Policies = policies(t, "expiry: {maximum: 96h}") // whatever comes now, the end has been fixed
			expectTime(t, c.want, lifecycle.Settled(o, now).ExpiresAt)
		})
	}
}
