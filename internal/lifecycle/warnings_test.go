// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

const day = 24 * time.Hour

// life is a settled APIKey whose time passes.
type life struct {
	apikey   *v1alpha1.APIKey
	policies []*v1alpha1.APIKeyPolicy
	unknown  bool // the policies cannot be looked up
	now      time.Time
}

// bornBefore returns an APIKey that was created some time before its expiry.
func bornBefore(expiry time.Time, lifetime time.Duration) *life {
	apikey := settled()
	apikey.CreationTimestamp = *at(expiry.Add(-lifetime))
	l := &life{apikey: apikey, now: apikey.CreationTimestamp.Time}
	l.expire(expiry)

	return l
}

// expire sets spec.expiresAt.
func (l *life) expire(expiry time.Time) {
	l.apikey.Spec.ExpiresAt = at(expiry)
	l.apikey.Generation++
}

// settle writes the status of a time and returns the period of the warning that it gives; 0: none.
func (l *life) settle(now time.Time) time.Duration {
	before := l.apikey.DeepCopy()
	l.now = now
	l.apikey.Status = lifecycle.Settled(l.observed(), now)
	period, warned := lifecycle.Warned(before, l.apikey)
	if !warned {
		return 0
	}

	return period
}

func (l *life) observed() lifecycle.Observed {
	return lifecycle.Observed{APIKey: l.apikey, Secret: in(lifecycle.SecretUnread), Policies: l.policies, PoliciesUnknown: l.unknown}
}

// live lets time pass from one wake to the next until the key has expired, and returns how long before the expiry each warning came.
func (l *life) live(expiry time.Time) []time.Duration {
	var given []time.Duration
	for {
		if period := l.settle(l.now); period > 0 {
			given = append(given, expiry.Sub(l.now))
		}
		wake := lifecycle.NextWake(l.observed(), l.now)
		if wake == 0 || !l.now.Before(expiry) {
			return given
		}
		l.now = l.now.Add(wake)
	}
}

func expiringSoon(apikey *v1alpha1.APIKey) bool {
	return meta.IsStatusConditionTrue(apikey.Status.Conditions, v1alpha1.ConditionExpiringSoon)
}

// TestWarningsAreGivenAtTheirTime lives the life of a key by NextWake alone.
func TestWarningsAreGivenAtTheirTime(t *testing.T) {
	usual := []time.Duration{30 * day, 7 * day, day}
	for name, c := range map[string]struct {
		lifetime time.Duration
		policies []string
		want     []time.Duration
	}{
		"by default":             {365 * day, nil, usual},
		"if no policy lists any": {365 * day, []string{"expiry: {required: true}", "secret: {}"}, usual},
		"of a policy": {
			365 * day, []string{"expiry: {warnBefore: [2h, 1440h, 90m]}"}, []time.Duration{60 * day, 2 * time.Hour, 90 * time.Minute},
		},
		"of several policies": {
			365 * day, []string{"expiry: {warnBefore: [168h, 24h]}", "expiry: {warnBefore: [336h, 24h]}"}, []time.Duration{14 * day, 7 * day, day},
		},
		"of one policy among others":             {365 * day, []string{"expiry: {required: true}", "expiry: {warnBefore: [1h]}"}, []time.Duration{time.Hour}},
		"one spelled in two ways":                {365 * day, []string{"expiry: {warnBefore: [24h, 1440m, 86400s]}"}, []time.Duration{day}},
		"none that is malformed or out of range": {365 * day, []string{"expiry: {warnBefore: [1d, 0s, 59s, 8760h1s, 3h]}"}, []time.Duration{3 * time.Hour}},
		"the default where all are malformed":    {365 * day, []string{"expiry: {warnBefore: [1d]}"}, usual},
		"not of a month to a key of 30 days":     {30 * day, nil, []time.Duration{7 * day, day}},
		"of a month to a key of 30 days and 1s":  {30*day + time.Second, nil, usual},
		"of a day to a key of a week":            {7 * day, nil, []time.Duration{day}},
		"none to a key of a day":                 {day, nil, nil},
		"none to a key of an hour":               {time.Hour, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			expiry := now.Add(c.lifetime)
			l := bornBefore(expiry, c.lifetime)
			l.policies = policies(t, c.policies...)
			if diff := cmp.Diff(c.want, l.live(expiry)); diff != "" {
				t.Errorf("warnings before the expiry (-want +got):\n%s", diff)
			}
			if l.apikey.Status.Phase != v1alpha1.PhaseExpired {
				t.Errorf("in the end the key is %s", l.apikey.Status.Phase)
			}
		})
	}
}

// TestWarningsAreGivenOnce lets operators see a key at odd times and in odd orders.
func TestWarningsAreGivenOnce(t *testing.T) {
	expiry := now.Add(365 * day)
	type step struct {
		left   time.Duration // until the expiry of the beginning
		change func(*testing.T, *life)
		want   time.Duration // the warning; 0: none
		soon   bool          // ExpiringSoon
	}
	moved := func(by time.Duration) func(*testing.T, *life) {
		return func(_ *testing.T, l *life) { l.expire(expiry.Add(by)) }
	}
	policed := func(specs ...string) func(*testing.T, *life) {
		return func(t *testing.T, l *life) { l.policies = policies(t, specs...) }
	}
	edited := func(change func(*v1alpha1.APIKey)) func(*testing.T, *life) {
		return func(_ *testing.T, l *life) { change(l.apikey) }
	}
	for name, steps := range map[string][]step{
		"an operator that was away gives the nearest warning only": {{6 * time.Hour, nil, day, true}, {5 * time.Hour, nil, 0, true}},
		"a clock that steps back repeats nothing": {
			{7 * day, nil, 7 * day, true}, {40 * day, nil, 0, false}, {29 * day, nil, 0, true}, {7 * day, nil, 0, true}, {day, nil, day, true},
		},
		"an expiry far ahead makes every warning possible again": {
			{day, nil, day, true}, {day, moved(100 * day), 0, false},
			{30*day - 100*day, nil, 30 * day, true}, {7*day - 100*day, nil, 7 * day, true}, {day - 100*day, nil, day, true},
		},
		"an expiry that is a little later repeats only what it has left": {
			{day, nil, day, true}, {day, moved(10 * day), 0, true}, {7*day - 10*day, nil, 7 * day, true}, {day - 10*day, nil, day, true},
		},
		"an expiry that is a second later repeats nothing that has begun": {{day, nil, day, true}, {day / 2, moved(time.Second), 0, true}},
		"an earlier expiry gives the nearest warning only": {
			{100 * day, nil, 0, false}, {100 * day, moved(-97 * day), 7 * day, true}, {98 * day, nil, day, true},
		},
		"an earlier expiry repeats no warning": {{29 * day, nil, 30 * day, true}, {29 * day, moved(-10 * day), 0, true}, {17 * day, nil, 7 * day, true}},
		"an expiry that goes and returns warns again": {
			{7 * day, nil, 7 * day, true},
			{7 * day, edited(func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = nil; k.Generation++ }), 0, false}, {7 * day, moved(0), 7 * day, true},
		},
		"another edit of spec repeats nothing": {
			{7 * day, nil, 7 * day, true}, {7 * day, edited(func(k *v1alpha1.APIKey) { k.Spec.DisplayName = "another"; k.Generation++ }), 0, true},
		},
		"a policy that lists a nearer warning that has begun gives it": {
			{20 * day, nil, 30 * day, true}, {20 * day, policed("expiry: {warnBefore: [720h, 480h]}"), 20 * day, true}, {20 * day, policed(), 0, true},
			{19 * day, policed("expiry: {warnBefore: [480h]}"), 0, true},
		},
		"a policy without a warning that has begun ends the condition": {
			{20 * day, nil, 30 * day, true}, {20 * day, policed("expiry: {warnBefore: [1h]}"), 0, false}, {20 * day, policed(), 0, true},
			{time.Hour, policed("expiry: {warnBefore: [1h]}"), time.Hour, true},
		},
		"policies that cannot be looked up change nothing": {
			{30 * day, nil, 30 * day, true}, {7 * day, func(_ *testing.T, l *life) { l.unknown = true }, 0, true},
			{7 * day, func(_ *testing.T, l *life) { l.unknown = false }, 7 * day, true},
		},
		"a suspended key is warned of: it cannot be resumed once it has expired": {
			{40 * day, edited(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true; k.Generation++ }), 0, false}, {30 * day, nil, 30 * day, true},
			{29 * day, edited(func(k *v1alpha1.APIKey) { k.Spec.Suspend = false; k.Generation++ }), 0, true},
		},
		"a revoked key is not": {
			{30 * day, nil, 30 * day, true},
			{29 * day, edited(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true; k.Generation++ }), 0, false}, {day, nil, 0, false},
		},
		"an expired key is not":                  {{day, nil, day, true}, {0, nil, 0, false}, {day, nil, 0, false}},
		"an APIKey that is being deleted is not": {{day, edited(deleting("example.com/hold")), 0, false}},
		"an APIKey without a key is not, until then": {
			{day, edited(with()), 0, false}, {day / 2, edited(with(record("active", v1alpha1.KeyActive))), day, true},
		},
		"a key that is lost and minted again is warned of once": {
			{day, nil, day, true}, {day / 2, edited(with()), 0, false}, {day / 3, edited(with(record("active", v1alpha1.KeyActive))), 0, true},
		},
		"a rotation, an overlap and a claim deadline are no expiry": {
			{day, nil, day, true},
			{day / 2, edited(with(record("old", v1alpha1.KeyRetiring, expiry.Add(-day/4)), record("active", v1alpha1.KeyActive))), 0, true},
			{day / 3, edited(func(k *v1alpha1.APIKey) { k.Status.Keys[1].ClaimDeadline = at(expiry.Add(-day / 4)) }), 0, true},
		},
		"a warning that nobody could have given is replaced": {
			{29 * day, edited(func(k *v1alpha1.APIKey) { k.Status.WarnedBefore = "1d" }), 30 * day, true},
			{7 * day, edited(func(k *v1alpha1.APIKey) { k.Status.WarnedBefore = "999999h" }), 7 * day, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := bornBefore(expiry, 2*365*day)
			l.settle(l.now)
			for i, s := range steps {
				if s.change != nil {
					s.change(t, l)
				}
				got := l.settle(expiry.Add(-s.left))
				if got != s.want || expiringSoon(l.apikey) != s.soon {
					t.Errorf("step %d, %s before: warning %s, ExpiringSoon %t; want %s and %t", i, s.left, got, expiringSoon(l.apikey), s.want, s.soon)
				}
				if again := l.settle(expiry.Add(-s.left)); again != 0 {
					t.Errorf("step %d: the warning %s is repeated", i, again)
				}
			}
		})
	}
}

func TestAWarningIsStable(t *testing.T) {
	l := bornBefore(now.Add(7*day), 365*day)
	l.settle(now)
	before := *l.apikey.Status.DeepCopy()
	soon := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionExpiringSoon)
	if want := (metav1.Condition{
		Type: "ExpiringSoon", Status: metav1.ConditionTrue, Reason: "ExpiringSoon", ObservedGeneration: l.apikey.Generation, LastTransitionTime: *at(now),
		Message: "The key expires within 7 days (status.expiresAt) and cannot be renewed afterwards: " +
			"set a later expiry in spec before, or create another APIKey and move the clients to it.",
	}); soon == nil || !cmp.Equal(*soon, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(&want, soon))
	}
	if before.WarnedBefore != "168h" || !isActive(before) || !meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("warnedBefore %q, Active %t", before.WarnedBefore, isActive(before))
	}
	l.settle(now.Add(6*day - time.Second))
	if diff := cmp.Diff(before, l.apikey.Status); diff != "" {
		t.Errorf("between two warnings the status changes (-before +after):\n%s", diff)
	}
}

// TestNoWakeForWarningsOfPoliciesThatAreUnknown leaves the wait to the retry: no report changes the condition until policies are known.
func TestNoWakeForWarningsOfPoliciesThatAreUnknown(t *testing.T) {
	l := bornBefore(now.Add(100*day), 365*day)
	l.settle(now)
	for unknown, want := range map[bool]time.Duration{true: 100 * day, false: 70 * day} {
		l.unknown = unknown
		if wake := lifecycle.NextWake(l.observed(), now); wake != want {
			t.Errorf("policies unknown %t: the next wake is in %s, want %s", unknown, wake, want)
		}
	}
}
