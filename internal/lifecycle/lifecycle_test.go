// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

var (
	now     = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	created = now.Add(-24 * time.Hour)
	ref     = v1alpha1.SecretReference{Name: "main-website", UID: "1", ResourceVersion: "10"}
)

func at(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }

func record(digest string, state v1alpha1.KeyState, notAfter ...time.Time) v1alpha1.KeyRecord {
	r := v1alpha1.KeyRecord{ID: digest, Digest: digest, State: state, CreatedAt: *at(created)}
	if len(notAfter) > 0 {
		r.NotAfter = at(notAfter[0])
	}

	return r
}

// settled is a key that was minted yesterday and needs nothing, after some changes.
func settled(changes ...func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Name: "main-website", Namespace: "storefront", Generation: 1, CreationTimestamp: *at(created)},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
		Status: v1alpha1.APIKeyStatus{
			Keys:         []v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)},
			SecretRef:    ref.DeepCopy(),
			LastRotation: &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: *at(created)},
		},
	}
	apikey.Status = lifecycle.Settled(lifecycle.Observed{APIKey: apikey}, created)
	for _, change := range changes {
		change(apikey)
	}

	return apikey
}

func minted() func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Status = v1alpha1.APIKeyStatus{ObservedGeneration: -1, Phase: v1alpha1.PhasePending}
	}
}

func annotated(name, value string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { metav1.SetMetaDataAnnotation(&k.ObjectMeta, name, value) }
}

func with(records ...v1alpha1.KeyRecord) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Status.Keys = records }
}

func owned(digest string) lifecycle.Secret {
	return lifecycle.Secret{State: lifecycle.SecretOwned, Ref: ref, Digest: digest, InShape: true}
}

func in(state lifecycle.SecretState) lifecycle.Secret {
	return lifecycle.Secret{State: state, Ref: ref}
}

func deleting(finalizers ...string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.DeletionTimestamp, k.Finalizers = at(now), finalizers }
}

func TestDecide(t *testing.T) {
	revoked := func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }
	expired := func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(now) }
	every := func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: "24h"} }
	rotate := annotated(v1alpha1.RotateAnnotation, "now")
	noSecret := func(k *v1alpha1.APIKey) { k.Status.SecretRef = nil }

	for name, c := range map[string]struct {
		key     *v1alpha1.APIKey
		secret  lifecycle.Secret
		want    lifecycle.Action
		trigger v1alpha1.RotationTrigger
	}{
		"a settled key whose Secret has not changed needs nothing":       {settled(), in(lifecycle.SecretUnread), lifecycle.Settle, ""},
		"a settled key whose Secret was read and holds it needs nothing": {settled(), owned("active"), lifecycle.Settle, ""},
		"a new key needs a look at the Secret first":                     {settled(minted()), in(lifecycle.SecretUnread), lifecycle.Read, ""},
		"a new key without a Secret is minted": {
			settled(minted()),
			in(lifecycle.SecretAbsent),
			lifecycle.Mint,
			v1alpha1.TriggerCreated,
		},
		"a new key in the way of a foreign Secret is blocked": {settled(minted()), in(lifecycle.SecretForeign), lifecycle.Block, ""},
		"a changed Secret is read":                            {settled(), in(lifecycle.SecretChanged), lifecycle.Read, ""},
		"a watch that is behind is waited for":                {settled(rotate), in(lifecycle.SecretBehind), lifecycle.Ignore, ""},
		"a changed spec is compared with the Secret": {
			settled(func(k *v1alpha1.APIKey) { k.Generation = 2 }),
			in(lifecycle.SecretUnread),
			lifecycle.Read,
			"",
		},
		"the Secret of a key that is being deleted is deleted": {
			settled(deleting("example.com/hold")),
			in(lifecycle.SecretUnread),
			lifecycle.Delete,
			"",
		},
		"the Secret of a key that is to be orphaned stays": {settled(deleting("orphan")), owned("active"), lifecycle.Close, ""},
		"nothing is minted for a key that is being deleted": {
			settled(minted(), deleting("example.com/hold")),
			in(lifecycle.SecretAbsent),
			lifecycle.Close,
			"",
		},
		"a Secret that is being deleted blocks":                      {settled(), in(lifecycle.SecretTerminating), lifecycle.Block, ""},
		"a revoked key's Secret that is being deleted is waited for": {settled(revoked), in(lifecycle.SecretTerminating), lifecycle.Close, ""},
		"a deleted Secret is a rotation": {
			settled(),
			in(lifecycle.SecretAbsent),
			lifecycle.Mint,
			v1alpha1.TriggerSecretDeleted,
		},
		"an unknown digest is never blessed":  {settled(), owned("unknown"), lifecycle.Mint, v1alpha1.TriggerSecretModified},
		"a missing data key is never blessed": {settled(), owned(""), lifecycle.Mint, v1alpha1.TriggerSecretModified},
		"a digest that is only retiring is not the active one": {
			settled(with(record("active", v1alpha1.KeyActive), record("old", v1alpha1.KeyRetiring, now.Add(time.Hour)))),
			owned("old"),
			lifecycle.Mint,
			v1alpha1.TriggerSecretModified,
		},
		"a fence is minted over": {
			settled(with()),
			lifecycle.Secret{State: lifecycle.SecretOwned, Fenced: true, InShape: true},
			lifecycle.Mint,
			v1alpha1.TriggerSecretDeleted,
		},
		"an announced key in the Secret is promoted": {
			settled(minted(), with(record("new", v1alpha1.KeyPending))),
			owned("new"),
			lifecycle.Promote,
			v1alpha1.TriggerCreated,
		},
		"an announced key in the Secret is promoted before all else": {
			settled(rotate, with(record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending))),
			owned("new"),
			lifecycle.Promote,
			v1alpha1.TriggerAnnotation,
		},
		"an interrupted rotation is finished": {
			settled(with(record("active", v1alpha1.KeyActive), record("lost", v1alpha1.KeyPending))),
			owned("active"),
			lifecycle.Mint,
			v1alpha1.TriggerRecovered,
		},
		"an annotation with a new value is a rotation": {settled(rotate), owned("active"), lifecycle.Mint, v1alpha1.TriggerAnnotation},
		"a schedule that has come is a rotation":       {settled(every), owned("active"), lifecycle.Mint, v1alpha1.TriggerSchedule},
		"a schedule that makes no sense is none": {
			settled(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: "daily"} }),
			owned("active"),
			lifecycle.Settle,
			"",
		},
		"an overlap that makes no sense does not stop a rotation": {
			settled(annotated(v1alpha1.RotateAnnotation, "now,overlap=x")),
			owned("active"),
			lifecycle.Mint,
			v1alpha1.TriggerAnnotation,
		},
		"a value that was acted on before asks for nothing": {settled(rotate, actedOn("now", "later")), owned("active"), lifecycle.Settle, ""},
		"a key announced for another reason does not end a later request": {
			settled(rotate, with(record("active", v1alpha1.KeyActive), announced("new", v1alpha1.TriggerSchedule, "", ""))),
			owned("new"),
			lifecycle.Promote,
			v1alpha1.TriggerSchedule,
		},
		"a status full of announced keys is fenced": {
			settled(
				rotate,
				with(
					record("active", v1alpha1.KeyActive), record("a", v1alpha1.KeyPending), record("b", v1alpha1.KeyPending),
					record("c", v1alpha1.KeyPending),
				),
			),
			owned("active"),
			lifecycle.Fence,
			"",
		},
		"a status full of retiring keys is not": {
			settled(
				rotate,
				with(
					record("active", v1alpha1.KeyActive), record("a", v1alpha1.KeyRetiring, now.Add(1)),
					record("b", v1alpha1.KeyRetiring, now.Add(1)), record("c", v1alpha1.KeyRetiring, now.Add(1)),
				),
			),
			owned("active"),
			lifecycle.Mint,
			v1alpha1.TriggerAnnotation,
		},
		"a deleted Secret makes room by itself": {
			settled(with(
				record("active", v1alpha1.KeyActive), record("a", v1alpha1.KeyPending), record("b", v1alpha1.KeyPending),
				record("c", v1alpha1.KeyPending),
			)),
			in(lifecycle.SecretAbsent),
			lifecycle.Mint,
			v1alpha1.TriggerSecretDeleted,
		},
		"labels that differ are put right": {
			settled(),
			lifecycle.Secret{State: lifecycle.SecretOwned, Ref: ref, Digest: "active"},
			lifecycle.Reshape,
			"",
		},
		"a previous key that nothing accepts is taken out": {
			settled(),
			lifecycle.Secret{State: lifecycle.SecretOwned, Ref: ref, Digest: "active", PreviousDigest: "old", InShape: true},
			lifecycle.Reshape,
			"",
		},
		"a previous key that still works stays": {
			settled(with(record("old", v1alpha1.KeyRetiring, now.Add(1)), record("active", v1alpha1.KeyActive))),
			lifecycle.Secret{State: lifecycle.SecretOwned, Ref: ref, Digest: "active", PreviousDigest: "old", InShape: true},
			lifecycle.Settle,
			"",
		},
		"a retiring key whose time has come makes the Secret be read": {
			settled(with(record("old", v1alpha1.KeyRetiring, now), record("active", v1alpha1.KeyActive))),
			in(lifecycle.SecretUnread),
			lifecycle.Read,
			"",
		},
		"a revoked key's Secret is deleted without being read": {settled(revoked), in(lifecycle.SecretUnread), lifecycle.Delete, ""},
		"a revoked key's changed Secret is read first":         {settled(revoked), in(lifecycle.SecretChanged), lifecycle.Read, ""},
		"a revoked key's changed Secret is deleted once read":  {settled(revoked), owned("whatever"), lifecycle.Delete, ""},
		"a revoked key without a Secret is closed":             {settled(revoked, noSecret), in(lifecycle.SecretUnread), lifecycle.Close, ""},
		"a revoked key leaves a foreign Secret alone":          {settled(revoked), in(lifecycle.SecretForeign), lifecycle.Close, ""},
		"an expired key's Secret is deleted":                   {settled(expired), in(lifecycle.SecretUnread), lifecycle.Delete, ""},
		"an expired key is not rotated":                        {settled(expired, rotate), in(lifecycle.SecretAbsent), lifecycle.Close, ""},
		"an expired key that was announced is not promoted": {
			settled(expired, with(record("new", v1alpha1.KeyPending))),
			owned("new"),
			lifecycle.Delete,
			"",
		},
		"a key that was reported as expired stays so, whatever spec says": {
			settled(func(k *v1alpha1.APIKey) { k.Status.Phase = v1alpha1.PhaseExpired }),
			in(lifecycle.SecretAbsent),
			lifecycle.Close,
			"",
		},
		"a key whose recorded expiry has passed is expired": {
			settled(func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = at(now) }),
			in(lifecycle.SecretUnread),
			lifecycle.Delete,
			"",
		},
		"a key reported as not Ready is looked at again": {
			settled(func(k *v1alpha1.APIKey) { k.Status.Conditions = nil }),
			in(lifecycle.SecretUnread),
			lifecycle.Read,
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.key.DeepCopy()
			plan := lifecycle.Decide(lifecycle.Observed{APIKey: c.key, Secret: c.secret}, now)
			if plan.Action != c.want || plan.Trigger != c.trigger {
				t.Errorf("%s (%s), by check %q; want %s (%s)", plan.Action, plan.Trigger, plan.Check, c.want, c.trigger)
			}
			if diff := cmp.Diff(before, c.key); diff != "" {
				t.Errorf("Decide has changed the key:\n%s", diff)
			}
		})
	}
}

func TestChecksComeInTheOrderThatTheirCommentsExplain(t *testing.T) {
	// Each key is decided on by the first check that applies, though all that are named after it apply, too.
	apikey := settled(annotated(v1alpha1.RotateAnnotation, "now"),
		with(record("active", v1alpha1.KeyActive), record("a", v1alpha1.KeyPending), record("b", v1alpha1.KeyPending), record("c", v1alpha1.KeyPending)),
		func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
	secret := in(lifecycle.SecretBehind)
	denying, unguarded := policies(t, "environments: [Staging]"), []string{"gone"}
	handedOut := apikey.Status.LastRotation
	steps := []struct {
		want  string
		relax func()
	}{
		{"watch behind", func() { secret = owned("a") }},
		{"ended", func() { apikey.Spec.Revoked = false; secret = in(lifecycle.SecretChanged) }},
		{"unread", func() { secret = in(lifecycle.SecretForeign) }},
		{"foreign", func() { secret = in(lifecycle.SecretTerminating) }},
		{"terminating", func() { secret = owned("a") }},
		{"announced", func() {
			secret = owned("active")
			secret.InShape = false
			apikey.Status.LastRotation = nil
			once(apikey)
			metav1.SetMetaDataAnnotation(&apikey.ObjectMeta, v1alpha1.ClaimAnnotation, "active")
		}},
		{"claimed", func() { taken(apikey) }},
		{"copy left", func() { apikey.Spec.Secret, apikey.Status.ClaimedAt = nil, nil }},
		{"denied", func() { apikey.Status.LastRotation = handedOut }},
		{"unguarded", func() { unguarded = nil }},
		{"crowded", func() { apikey.Status.Keys = apikey.Status.Keys[:2] }},
		{"due", func() {
			apikey.Status.Keys = apikey.Status.Keys[:1]
			delete(apikey.Annotations, v1alpha1.RotateAnnotation)
		}},
		{"out of shape", func() { secret.InShape = true }},
		{"settled", func() {}},
	}
	for _, step := range steps {
		o := lifecycle.Observed{APIKey: apikey, Secret: secret, Policies: denying, Unguarded: unguarded}
		if got := lifecycle.Decide(o, now).Check; got != step.want {
			t.Errorf("decided by %q, want %q", got, step.want)
		}
		step.relax()
	}
}

func format(t *metav1.Time) string {
	if t == nil {
		return ""
	}

	return t.UTC().Format(time.RFC3339)
}

func TestNextWake(t *testing.T) {
	schedule := func(every, overlap v1alpha1.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: every, Overlap: overlap} }
	}
	expires := func(d time.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = at(now.Add(d)) }
	}
	for name, c := range map[string]struct {
		key  *v1alpha1.APIKey
		want time.Duration
	}{
		"nothing is due":        {settled(), 0},
		"the expiry":            {settled(expires(time.Hour)), time.Hour},
		"the schedule":          {settled(schedule("25h", "")), time.Hour},
		"the end of an overlap": {settled(with(record("a", v1alpha1.KeyActive), record("old", v1alpha1.KeyRetiring, now.Add(time.Minute)))), time.Minute},
		"the soonest of all":    {settled(expires(3*time.Hour), schedule("26h", ""), with(record("old", v1alpha1.KeyRetiring, now.Add(time.Hour)))), time.Hour},
		"a schedule that is held up does not spin":           {settled(schedule("1h", ""), expires(time.Hour)), time.Hour},
		"a retiring key without an end is no reason to wake": {settled(with(record("old", v1alpha1.KeyRetiring))), 0},
		"a key that has ended sleeps":                        {settled(expires(-1), schedule("25h", "")), 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifecycle.NextWake(lifecycle.Observed{APIKey: c.key}, now); got != c.want {
				t.Errorf("wakes in %s, want %s", got, c.want)
			}
		})
	}
}

func TestStatusOfAMint(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(minted(), annotated(v1alpha1.RotateAnnotation, "first")), Secret: in(lifecycle.SecretAbsent)}
	o.APIKey.Status = lifecycle.Announced(o, "new-digest", "new", now)
	if got := states(o.APIKey.Status); !cmp.Equal(got, []string{"new-digest Pending"}) {
		t.Errorf("announced: %v", got)
	}
	expectConditions(t, o.APIKey.Status, "Ready=False Minting", "Active=False Minting", "Reconciling=True Minting")

	o.APIKey.Status = lifecycle.Promoted(o, "new-digest", ref, v1alpha1.TriggerCreated, now)
	if got := states(o.APIKey.Status); !cmp.Equal(got, []string{"new-digest Active"}) {
		t.Errorf("promoted: %v", got)
	}
	expectConditions(t, o.APIKey.Status, "Ready=True Minted", "Active=True Minted")
	want := &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, Value: "first", Name: "first", At: *at(now)}
	if diff := cmp.Diff(want, o.APIKey.Status.LastRotation); diff != "" {
		t.Errorf("lastRotation (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(o.APIKey.Status, lifecycle.Settled(lifecycle.Observed{APIKey: o.APIKey}, now.Add(time.Hour))); diff != "" {
		t.Errorf("a settled key does not stay as it is (-was +is):\n%s", diff)
	}
}

func TestRotationKeepsReady(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Secret: owned("active")}
	status := lifecycle.Announced(o, "new", "new", now)
	expectConditions(t, status, "Ready=True Minted", "Active=True Minted", "Reconciling=True Rotating")
}

func TestOverlapIsNeverExtended(t *testing.T) {
	o := lifecycle.Observed{
		APIKey: settled(
			func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "1h"} },
			with(
				record("older", v1alpha1.KeyRetiring, now.Add(time.Minute)),
				record("active", v1alpha1.KeyActive, now.Add(time.Second)),
				record("new", v1alpha1.KeyPending),
			),
		),
		Secret: accounting("new", "new", ends("older", now.Add(time.Hour)), ends("active", now.Add(time.Hour))),
	}
	status := lifecycle.Promoted(o, "new", ref, v1alpha1.TriggerAnnotation, now)
	want := []v1alpha1.KeyRecord{
		record("older", v1alpha1.KeyRetiring, now.Add(time.Minute)),
		record("active", v1alpha1.KeyRetiring, now.Add(time.Second)), // it had an end already, and that was sooner
		record("new", v1alpha1.KeyActive),
	}
	if diff := cmp.Diff(want, status.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestSuspendedKeyIsReadyAndNotActive(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true }), Secret: owned("active")}
	status := lifecycle.Settled(o, now)
	if status.Phase != v1alpha1.PhaseSuspended {
		t.Errorf("phase %s", status.Phase)
	}
	expectConditions(t, status, "Ready=True Suspended", "Active=False Suspended")
}

func TestFenceForgetsWhatWasAnnounced(t *testing.T) {
	apikey := settled(with(record("active", v1alpha1.KeyActive), record("a", v1alpha1.KeyPending), record("b", v1alpha1.KeyPending)))
	for name, c := range map[string]struct {
		secret lifecycle.Secret
		want   []string
	}{
		"beside a Secret that is there":      {owned("active"), []string{"active Active"}},
		"and all others when there was none": {in(lifecycle.SecretAbsent), nil},
	} {
		t.Run(name, func(t *testing.T) {
			status := lifecycle.Fenced(lifecycle.Observed{APIKey: apikey, Secret: c.secret}, ref, now)
			if diff := cmp.Diff(c.want, states(status)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnouncingMakesRoomAtTheOldestRetiringKey(t *testing.T) {
	apikey := settled(with(record("a", v1alpha1.KeyRetiring, now.Add(1)), record("b", v1alpha1.KeyRetiring, now.Add(1)),
		record("c", v1alpha1.KeyRetiring, now.Add(1)), record("active", v1alpha1.KeyActive)))
	secret := accounting("active", "active", ends("a", now.Add(time.Second)), ends("b", now.Add(time.Second)), ends("c", now.Add(time.Second)))
	status := lifecycle.Announced(lifecycle.Observed{APIKey: apikey, Secret: secret}, "new", "new", now)
	if diff := cmp.Diff([]string{"b Retiring", "c Retiring", "active Active", "new Pending"}, states(status)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestClosed(t *testing.T) {
	earlier, later := now.Add(-time.Hour), now.Add(time.Hour)
	for name, c := range map[string]struct {
		key       *v1alpha1.APIKey
		notAfter  time.Time
		expiresAt string
	}{
		"a revoked key ends now": {
			settled(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true; k.Status.ExpiresAt = at(later) }), now, format(at(later)),
		},
		"an expired key has ended when it expired": {
			settled(func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(earlier) }), earlier, format(at(earlier)),
		},
		"a recorded expiry that has passed counts, whatever the spec says since": {
			settled(func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(later); k.Status.ExpiresAt = at(earlier) }), earlier, format(at(earlier)),
		},
		"of two that have passed the earlier one counts": {
			settled(func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(earlier); k.Status.ExpiresAt = at(now) }), earlier, format(at(earlier)),
		},
		"once reported it is frozen": {
			settled(func(k *v1alpha1.APIKey) {
				k.Spec.ExpiresAt, k.Status.ExpiresAt, k.Status.Phase = at(earlier), at(now), v1alpha1.PhaseExpired
			}), now, format(at(now)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			status := lifecycle.Closed(lifecycle.Observed{APIKey: c.key, Secret: in(lifecycle.SecretAbsent)}, now)
			if diff := cmp.Diff([]v1alpha1.KeyRecord{record("active", v1alpha1.KeyRetiring, c.notAfter)}, status.Keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if got := format(status.ExpiresAt); got != c.expiresAt {
				t.Errorf("expiresAt %s, want %s", got, c.expiresAt)
			}
			c.key.Status = status
			again := lifecycle.Closed(lifecycle.Observed{APIKey: c.key, Secret: in(lifecycle.SecretAbsent)}, now.Add(time.Hour))
			if diff := cmp.Diff(status, again); diff != "" {
				t.Errorf("an hour later it is not the same (-before +after):\n%s", diff)
			}
		})
	}
}

func TestKeepsPrevious(t *testing.T) {
	overlap := func(d v1alpha1.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: d} }
	}
	for name, c := range map[string]struct {
		key    *v1alpha1.APIKey
		secret lifecycle.Secret
		want   bool
	}{
		"not without overlap":             {settled(), owned("active"), false},
		"with overlap":                    {settled(overlap("1m")), owned("active"), true},
		"not when the annotation says 0s": {settled(overlap("1m"), annotated(v1alpha1.RotateAnnotation, "now,overlap=0s")), owned("active"), false},
		"when the annotation says so":     {settled(annotated(v1alpha1.RotateAnnotation, "now,overlap=1m")), owned("active"), true},
		"not when that was acted on before": {
			settled(annotated(v1alpha1.RotateAnnotation, "now,overlap=1m"), actedOn("now,overlap=1m")),
			owned("active"),
			false,
		},
		"when the announced key is for such one": {
			settled(with(record("active", v1alpha1.KeyActive), announced("new", v1alpha1.TriggerAnnotation, "now,overlap=1m", "1m"))),
			owned("active"),
			true,
		},
		"not when the Secret holds another key":  {settled(overlap("1m")), owned("unknown"), false},
		"not when there is no Secret":            {settled(overlap("1m")), in(lifecycle.SecretAbsent), false},
		"not when the overlap makes no sense":    {settled(overlap("soon")), owned("active"), false},
		"as declared when the annotation is bad": {settled(overlap("1m"), annotated(v1alpha1.RotateAnnotation, "now,overlap=x")), owned("active"), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifecycle.KeepsPrevious(lifecycle.Observed{APIKey: c.key, Secret: c.secret}, now); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
}

func TestALongRotateAnnotationIsRecordedAsADigest(t *testing.T) {
	o := lifecycle.Observed{
		APIKey: settled(annotated(v1alpha1.RotateAnnotation, strings.Repeat("x", v1alpha1.MaxRotationValueLength+1))),
		Secret: owned("active"),
	}
	o.APIKey.Status = lifecycle.Promoted(o, "active", ref, v1alpha1.TriggerAnnotation, now)
	if value := o.APIKey.Status.LastRotation.Value; !strings.HasPrefix(value, "sha256:") || len(value) > 64 {
		t.Errorf("recorded as %q", value)
	}
	if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Settle {
		t.Errorf("%s after it was recorded", plan.Action)
	}
}

func TestIgnoredRotationIsReported(t *testing.T) {
	apikey := settled(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }, annotated(v1alpha1.RotateAnnotation, "too late"))
	status := lifecycle.Closed(lifecycle.Observed{APIKey: apikey}, now)
	if message := meta.FindStatusCondition(
		status.Conditions,
		v1alpha1.ConditionReady,
	).Message; !strings.HasSuffix(
		message,
		"The rotation asked for since is ignored.",
	) {
		t.Errorf("message %q", message)
	}
}

func TestActionsHaveNames(t *testing.T) {
	for action := lifecycle.Settle; action <= lifecycle.Block; action++ {
		if action.String() == "" {
			t.Errorf("action %d has no name", int(action))
		}
	}
}

func TestRefusedTakesBackOnlyItsOwnAnnouncement(t *testing.T) {
	apikey := settled(minted(), with(record("older", v1alpha1.KeyPending), record("mine", v1alpha1.KeyPending)))
	status := lifecycle.Failed(lifecycle.Observed{APIKey: apikey}, refusal("mine"), now)
	if got := states(status); !cmp.Equal(got, []string{"older Pending"}) {
		t.Errorf("keys: %v", got)
	}
	expectConditions(t, status, "Ready=False RequestRefused", "Active=False RequestRefused", "Reconciling=True RequestRefused")
}

func TestARefusalStaysReportedUntilAnAttemptSucceeds(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(minted()), Secret: in(lifecycle.SecretAbsent)}
	o.APIKey.Status = lifecycle.Failed(o, refusal(""), now)
	refused := o.APIKey.Status.Conditions
	o.APIKey.Status = lifecycle.Announced(o, "new", "new", now)
	if diff := cmp.Diff(refused, o.APIKey.Status.Conditions); diff != "" {
		t.Errorf("conditions during the next attempt (-before +after):\n%s", diff)
	}
	expectConditions(t, lifecycle.Promoted(o, "new", ref, v1alpha1.TriggerCreated, now), "Ready=True Minted", "Active=True Minted")
}

func TestAProblemDoesNotChangeWhetherTheKeyWorks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.APIKey)
		phase  v1alpha1.Phase
		active string
	}{
		"a key that works":    {func(*v1alpha1.APIKey) {}, v1alpha1.PhaseActive, "Active=True Minted"},
		"a suspended key":     {func(k *v1alpha1.APIKey) { k.Spec.Suspend = true }, v1alpha1.PhaseSuspended, "Active=False Suspended"},
		"a revoked key":       {func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }, v1alpha1.PhaseRevoked, "Active=False Revoked"},
		"an expired key":      {func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(now) }, v1alpha1.PhaseExpired, "Active=False Expired"},
		"a key without a key": {with(), v1alpha1.PhasePending, "Active=False RequestRefused"},
	} {
		t.Run(name, func(t *testing.T) {
			status := lifecycle.Failed(lifecycle.Observed{APIKey: settled(c.change)}, refusal(""), now)
			if status.Phase != c.phase {
				t.Errorf("phase %s, want %s", status.Phase, c.phase)
			}
			expectConditions(t, status, "Ready=False RequestRefused", c.active, "Reconciling=True RequestRefused")
		})
	}
}

func states(s v1alpha1.APIKeyStatus) []string {
	var all []string
	for _, r := range s.Keys {
		all = append(all, r.Digest+" "+string(r.State))
	}

	return all
}

// expectConditions compares conditions as "Type=Status Reason", whatever their order.
func expectConditions(t *testing.T, s v1alpha1.APIKeyStatus, want ...string) {
	t.Helper()
	var got []string
	for _, c := range s.Conditions {
		got = append(got, c.Type+"="+string(c.Status)+" "+c.Reason)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func isActive(s v1alpha1.APIKeyStatus) bool {
	return s.Phase == v1alpha1.PhaseActive || meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionActive)
}
