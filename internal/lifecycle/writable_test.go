// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// timesOf are all times of a status.
func timesOf(s *v1alpha1.APIKeyStatus) map[string]*metav1.Time {
	times := map[string]*metav1.Time{"expiresAt": s.ExpiresAt, "lastUsedAt": s.LastUsedAt}
	if s.LastRotation != nil {
		times["lastRotation.at"] = &s.LastRotation.At
	}
	for i := range s.Keys {
		times[s.Keys[i].Digest+".createdAt"], times[s.Keys[i].Digest+".notAfter"] = &s.Keys[i].CreatedAt, s.Keys[i].NotAfter
	}
	for i := range s.Conditions {
		times[s.Conditions[i].Type] = &s.Conditions[i].LastTransitionTime
	}

	return times
}

// expectWritable checks that the schema accepts every time of a status.
func expectWritable(t *testing.T, s *v1alpha1.APIKeyStatus) {
	t.Helper()
	for name, at := range timesOf(s) {
		if at != nil && (at.UTC().Year() < 2000 || at.UTC().Year() > 2999) {
			t.Errorf("%s is %s", name, at.UTC())
		}
	}
}

func TestATimeThatCannotBeWrittenHoldsNothingUp(t *testing.T) {
	for name, odd := range map[string]time.Time{
		"in the year 10000": time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -86340)),
		"in the year 0":     {},
		"before 2000":       time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),
		"after 2999":        time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		for _, change := range []func(*v1alpha1.APIKey){
			func(*v1alpha1.APIKey) {},
			annotated(v1alpha1.RotateAnnotation, "now"),
			func(k *v1alpha1.APIKey) { k.Spec.Revoked = true },
		} {
			t.Run(name, func(t *testing.T) {
				apikey := settled(change)
				apikey.Status.LastUsedAt, apikey.Status.LastRotation.At = at(odd), *at(odd)
				apikey.Status.Keys[0].CreatedAt = *at(odd)
				apikey.Status.Conditions[0].LastTransitionTime = *at(odd)
				apikey.Status.Keys = append(apikey.Status.Keys, record("old", v1alpha1.KeyRetiring, odd))
				o := lifecycle.Observed{APIKey: apikey, Secret: owned("active")}
				status, _ := statusAfter(o, lifecycle.Decide(o, now), now)
				expectWritable(t, &status)
				blocked := lifecycle.Blocked(o, "r", "m", now)
				expectWritable(t, &blocked)
				if diff := cmp.Diff([]*metav1.Time{nil, nil}, []*metav1.Time{status.LastUsedAt, blocked.LastUsedAt}); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestANotAfterThatNoRotationAskedForIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration
		stays bool
	}{
		"as far ahead as an overlap may be":    {v1alpha1.MaxOverlap, true},
		"as far as a clock may be behind":      {v1alpha1.MaxNotAfter, true},
		"further ahead than an overlap may be": {v1alpha1.MaxNotAfter + time.Second, false},
		"centuries ahead":                      {200 * 365 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := settled(with(record("old", v1alpha1.KeyRetiring, now.Add(c.ahead)), record("active", v1alpha1.KeyActive)))
			o := lifecycle.Observed{APIKey: apikey, Secret: owned("active")}
			o.Secret.PreviousDigest = "old"
			if stays := len(lifecycle.Settled(o, now).Keys) == 2; stays != c.stays {
				t.Errorf("stays: %t", stays)
			}
			if plan := lifecycle.Decide(
				lifecycle.Observed{APIKey: apikey, Secret: in(lifecycle.SecretUnread)},
				now,
			); (plan.Action == lifecycle.Settle) != c.stays {
				t.Errorf("%s", plan.Action)
			}
		})
	}
}
