// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// announced is a record of a key that was drawn for a rotation.
func announced(digest string, trigger v1alpha1.RotationTrigger, value string, overlap v1alpha1.Duration) v1alpha1.KeyRecord {
	r := record(digest, v1alpha1.KeyPending)
	r.Rotation = &v1alpha1.PendingRotation{Trigger: trigger, Value: value, Overlap: overlap}

	return r
}

// actedOn rotates a key by each of some values, and leaves its annotation as it was.
func actedOn(values ...string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		stays, had := k.Annotations[v1alpha1.RotateAnnotation]
		records := k.Status.Keys
		for _, value := range values {
			rotateBy(k, value)
		}
		if k.Status.Keys = records; had {
			annotated(v1alpha1.RotateAnnotation, stays)(k)
		} else {
			delete(k.Annotations, v1alpha1.RotateAnnotation)
		}
	}
}

// rotateBy sets the annotation and lets the operator do what it asks for. It tells whether the key was rotated.
func rotateBy(k *v1alpha1.APIKey, value string) bool {
	annotated(v1alpha1.RotateAnnotation, value)(k)
	k.Status.Keys = []v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)}
	o := lifecycle.Observed{APIKey: k, Secret: owned("active")}
	plan := lifecycle.Decide(o, now)
	k.Status, _ = statusAfter(o, plan, now)

	return plan.Action == lifecycle.Mint
}

func TestTheLastValuesThatWereActedOnAskForNothing(t *testing.T) {
	apikey := settled()
	value := func(i int) string { return fmt.Sprintf("v%d", i) }
	for i := range v1alpha1.MaxRotateValues {
		if !rotateBy(apikey, value(i)) {
			t.Fatalf("the new value %s does not rotate", value(i))
		}
	}
	for i := range v1alpha1.MaxRotateValues {
		if rotateBy(apikey, value(i)) {
			t.Errorf("%s rotates again", value(i))
		}
	}
	rotateBy(apikey, "one more")
	if len(apikey.Status.RotateValues) != v1alpha1.MaxRotateValues {
		t.Errorf("%d values are remembered", len(apikey.Status.RotateValues))
	}
	if rotateBy(apikey, value(1)) || !rotateBy(apikey, value(0)) {
		t.Error("the value that was set longest ago is not the one that is forgotten")
	}
}

func TestAValueThatIsAppliedAgainAndAgainIsNotForgotten(t *testing.T) {
	apikey := settled()
	rotateBy(apikey, "git")
	for i := range 3 * v1alpha1.MaxRotateValues {
		if !rotateBy(apikey, fmt.Sprintf("by hand %d", i)) || rotateBy(apikey, "git") {
			t.Fatalf("rotated again after %d rotations by hand", i)
		}
	}
}

func TestTheWholeTextOfTheAnnotationIsTheValue(t *testing.T) {
	long := strings.Repeat("x", 1000)
	apikey := settled()
	for _, value := range []string{"leak1", "leak1,overlap=1h", "leak1,overlap=0s", "leak1 ", long, long + "y", long + ",overlap=0s", "bad,", ",overlap=0s"} {
		if !rotateBy(apikey, value) {
			t.Errorf("%.60q was not used before and does not rotate", value)
		}
		if rotateBy(apikey, value) {
			t.Errorf("%.60q rotates again", value)
		}
	}
}

func TestAStatusOfBeforeKnowsItsLastValue(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, value := range map[string]string{"short": "a", "long": long, "like a digest": "sha256:abc"} {
		t.Run(name, func(t *testing.T) {
			apikey := settled()
			rotateBy(apikey, value)
			apikey.Status.RotateValues = nil // the version before knew LastRotation.Value alone
			apikey.Status.Keys = []v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)}
			before := apikey.Status.DeepCopy()
			if rotateBy(apikey, value) || !cmp.Equal(*before, apikey.Status) {
				t.Errorf("an upgrade rotates or writes a status:\n%s", cmp.Diff(*before, apikey.Status))
			}
			if !rotateBy(apikey, "b") || rotateBy(apikey, value) || rotateBy(apikey, "b") {
				t.Error("a value of before rotates again")
			}
		})
	}
}

func TestAnIgnoredRequestIsToldOnce(t *testing.T) {
	apikey := settled(actedOn("a", "b"))
	for i, c := range []struct {
		value string
		told  bool
	}{{"b", false}, {"a", true}, {"a", false}, {"b", true}, {"", false}, {"b", false}, {"c", false}, {"a", true}} {
		before := apikey.DeepCopy()
		rotateBy(apikey, c.value)
		if told := lifecycle.IgnoredRequest(before, apikey); told != c.told {
			t.Errorf("step %d, %q: told %t, want %t", i, c.value, told, c.told)
		}
		settledAgain := lifecycle.Settled(lifecycle.Observed{APIKey: apikey, Secret: owned("active")}, now.Add(time.Hour))
		if diff := cmp.Diff(apikey.Status.RotateValues, settledAgain.RotateValues); diff != "" {
			t.Errorf("step %d: another look tells it again:\n%s", i, diff)
		}
	}
}

// An interruption leaves an announced key behind; what the annotation says when the rotation is finished must not matter.
func TestAnInterruptedRotationKeepsItsOverlap(t *testing.T) {
	spec := func(d v1alpha1.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: d} }
	}
	for name, c := range map[string]struct {
		spec      v1alpha1.Duration
		announced []v1alpha1.KeyRecord
		// annotation is what stands there when the rotation goes on.
		annotation string
		// inSecret is the key in the Secret.
		inSecret string
		// works says whether the old key works on, and pending whether a request is left for the next rotation.
		works, pending bool
	}{
		"stop at once, announced": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=0s", "0s")},
			"a,overlap=0s",
			"active",
			false,
			false,
		},
		"stop at once, announced, taken out": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=0s", "0s")},
			"",
			"active",
			false,
			false,
		},
		"stop at once, announced, replaced": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=0s", "0s")},
			"b",
			"active",
			false,
			false,
		},
		"stop at once, handed out, taken out": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=0s", "0s")},
			"",
			"n",
			false,
			false,
		},
		"stop at once, handed out, replaced": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=0s", "0s")},
			"b,overlap=1h",
			"n",
			false,
			true,
		},
		"work on, handed out, taken out": {
			"",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=1h", "1h")},
			"",
			"n",
			true,
			false,
		},
		"work on, handed out, then stop": {
			"",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerAnnotation, "a,overlap=1h", "1h")},
			"b,overlap=0s",
			"n",
			true,
			true,
		},
		"by schedule, handed out, then stop": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerSchedule, "", "")},
			"b,overlap=0s",
			"n",
			true,
			true,
		},
		"by schedule, announced, then stop": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerSchedule, "", "")},
			"b,overlap=0s",
			"active",
			false,
			false,
		},
		"by schedule, beside an old request": {
			"10m",
			[]v1alpha1.KeyRecord{announced("n", v1alpha1.TriggerSchedule, "", "")},
			"old,overlap=0s",
			"active",
			true,
			false,
		},
		"of two, the shorter one": {
			"10m",
			[]v1alpha1.KeyRecord{
				announced("m", v1alpha1.TriggerAnnotation, "a,overlap=0s", "0s"),
				announced("n", v1alpha1.TriggerAnnotation, "b,overlap=1h", "1h"),
			},
			"c,overlap=2h",
			"active",
			false,
			false,
		},
		"by a version that did not keep it":           {"10m", []v1alpha1.KeyRecord{record("n", v1alpha1.KeyPending)}, "a,overlap=0s", "n", false, false},
		"by a version that did not keep it, no value": {"10m", []v1alpha1.KeyRecord{record("n", v1alpha1.KeyPending)}, "", "n", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := settled(spec(c.spec), actedOn("old,overlap=0s"), annotated(v1alpha1.RotateAnnotation, c.annotation),
				with(append([]v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)}, c.announced...)...))
			o := lifecycle.Observed{APIKey: apikey, Secret: owned(c.inSecret)}
			if c.inSecret == "n" {
				o.Secret.PreviousDigest = "active"
			}
			apikey.Status, _ = statusAfter(o, lifecycle.Decide(o, now), now)
			if works := len(apikey.Status.Keys) > 1 && apikey.Status.Keys[0].Digest == "active"; works != c.works {
				t.Errorf("the old key works on: %t, want %t (%v)", works, c.works, states(apikey.Status))
			}
			for _, r := range apikey.Status.Keys {
				if r.Rotation != nil {
					t.Errorf("%s keeps what it was drawn for", r.Digest)
				}
			}
			if pending := rotateBy(apikey, c.annotation); pending != c.pending {
				t.Errorf("rotates once more: %t, want %t", pending, c.pending)
			}
			for _, r := range c.announced {
				if r.Rotation != nil && r.Rotation.Value != "" && rotateBy(apikey, r.Rotation.Value) {
					t.Errorf("%q rotates again", r.Rotation.Value)
				}
			}
		})
	}
}

func TestPoliciesCapTheOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		annotation string
		policies   []string
		want       time.Duration
	}{
		"of spec":                              {"a", []string{"rotation: {maximumOverlap: 1h}"}, time.Hour},
		"of the annotation":                    {"a,overlap=720h", []string{"rotation: {maximumOverlap: 1h}"}, time.Hour},
		"the shorter of two":                   {"a", []string{"rotation: {maximumOverlap: 2h}", "rotation: {maximumOverlap: 30m}"}, 30 * time.Minute},
		"not one that is short enough":         {"a,overlap=1m", []string{"rotation: {maximumOverlap: 1h}"}, time.Minute},
		"not where a policy says nothing":      {"a", []string{"rotation: {maximumAge: 1h}", "environments: [Production]"}, 10 * time.Hour},
		"not where a policy cannot be read":    {"a", []string{"rotation: {maximumOverlap: 1d}"}, 10 * time.Hour},
		"not beyond the longest there may be":  {"a,overlap=720h", nil, 720 * time.Hour},
		"and none of it where none is allowed": {"a,overlap=1h", []string{"rotation: {maximumOverlap: 0s}"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			apikey := settled(
				annotated(v1alpha1.RotateAnnotation, c.annotation),
				func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "10h"} },
			)
			o := lifecycle.Observed{APIKey: apikey, Secret: owned("active"), Policies: policies(t, c.policies...)}
			if keeps := lifecycle.KeepsPrevious(o, now); keeps != (c.want > 0) {
				t.Errorf("keeps the previous key: %t", keeps)
			}
			status, _ := statusAfter(o, lifecycle.Decide(o, now), now)
			got := time.Duration(0)
			if len(status.Keys) > 1 {
				got = status.Keys[0].NotAfter.Sub(now)
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
