// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func rival(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func TestADisputeIsReported(t *testing.T) {
	disputed := lifecycle.Disputes{"active": {rival("storefront", "copy")}}
	overlap := settled(with(record("old", v1alpha1.KeyRetiring, now.Add(time.Hour)), record("active", v1alpha1.KeyActive)))
	for name, c := range map[string]struct {
		key      *v1alpha1.APIKey
		disputes lifecycle.Disputes
		want     []string
	}{
		"nothing without a dispute": {settled(), nil, []string{"Ready=True Minted", "Active=True Minted"}},
		"nothing where the other has a record of a key that this one has no more": {
			settled(), lifecycle.Disputes{"older": {rival("storefront", "copy")}}, []string{"Ready=True Minted", "Active=True Minted"},
		},
		"the active key is refused": {
			settled(), disputed, []string{"Ready=False Disputed", "Active=False Disputed", "Stalled=True Disputed", "Disputed=True Disputed"},
		},
		"the active key works while an older one is refused": {
			overlap, lifecycle.Disputes{"old": {rival("storefront", "copy")}}, []string{"Ready=True Minted", "Active=True Minted", "Disputed=True Disputed"},
		},
		"a suspended key is refused as declared": {
			settled(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true }), disputed,
			[]string{"Ready=True Suspended", "Active=False Suspended", "Disputed=True Disputed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: c.key, Disputes: c.disputes}
			if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Settle {
				t.Fatalf("the plan is to %s: a dispute needs no look at the Secret", plan.Action)
			}
			status := lifecycle.Settled(o, now)
			expectConditions(t, status, c.want...)

			c.key.Status = status
			if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Settle {
				t.Errorf("the next plan is to %s: a dispute that was reported needs no look at the Secret", plan.Action)
			}
			if diff := cmp.Diff(status, lifecycle.Settled(o, now.Add(time.Minute))); diff != "" {
				t.Errorf("the next pass writes another status (-first +second):\n%s", diff)
			}
			o.Disputes = nil
			after := lifecycle.Settled(o, now)
			if meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionDisputed) != nil ||
				meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionStalled) != nil ||
				!meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionReady) {
				t.Errorf("after the dispute the conditions are %v", after.Conditions)
			}
		})
	}
}

func TestADisputeIsNotReportedOnceTheKeyHasEnded(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Disputes: lifecycle.Disputes{"active": {rival("storefront", "copy")}}}
	o.APIKey.Status = lifecycle.Settled(o, now)
	o.APIKey.Spec.Revoked = true
	expectConditions(t, lifecycle.Closed(o, now), "Ready=True Revoked", "Active=False Revoked")
}

func TestAnotherProblemDoesNotHideThatTheKeyIsRefused(t *testing.T) {
	disputes := lifecycle.Disputes{"active": {rival("storefront", "copy")}}
	rotate := annotated(v1alpha1.RotateAnnotation, "now")
	expectConditions(t, lifecycle.Failed(lifecycle.Observed{APIKey: settled(rotate), Secret: owned("active"), Disputes: disputes}, failure("down"), now),
		"Ready=False RequestFailed", "Reconciling=True RequestFailed", "Active=False Disputed", "Disputed=True Disputed")
	expectConditions(t, lifecycle.Announced(lifecycle.Observed{APIKey: settled(rotate), Secret: owned("active"), Disputes: disputes}, "new", "new", now),
		"Ready=True Minted", "Reconciling=True Rotating", "Active=False Disputed", "Disputed=True Disputed")
}

func TestAnotherProblemOfADisputedKeyIsWrittenOnce(t *testing.T) {
	o := lifecycle.Observed{
		APIKey: settled(), Secret: lifecycle.Secret{State: lifecycle.SecretForeign, OurType: true, Ref: ref, Digest: "active"},
		Disputes: lifecycle.Disputes{"active": {rival("storefront", "copy")}},
	}
	first := lifecycle.Blocked(o, v1alpha1.ReasonSecretConflict, "in the way", now)
	expectConditions(t, first, "Ready=False SecretConflict", "Stalled=True SecretConflict", "Active=False Disputed", "Disputed=True Disputed")
	o.APIKey.Status = first
	if diff := cmp.Diff(first, lifecycle.Blocked(o, v1alpha1.ReasonSecretConflict, "in the way", now.Add(time.Minute))); diff != "" {
		t.Errorf("the next attempt writes another status (-first +second):\n%s", diff)
	}
}

func TestARotationEndsADispute(t *testing.T) {
	for value, want := range map[string][]string{
		"leak,overlap=0s": {"Ready=True Minted", "Active=True Minted"},
		"leak,overlap=1h": {"Ready=True Minted", "Active=True Minted", "Disputed=True Disputed"}, // the old key is refused all the same
	} {
		t.Run(value, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: settled(annotated(v1alpha1.RotateAnnotation, value)), Secret: owned("active")}
			o.Disputes = lifecycle.Disputes{"active": {rival("storefront", "copy")}}
			o.APIKey.Status = lifecycle.Settled(o, now)
			o.APIKey.Status = lifecycle.Announced(o, "new", "new", now)
			expectConditions(t, lifecycle.Promoted(o, "new", ref, v1alpha1.TriggerAnnotation, now), want...)
		})
	}
}

func TestTheMessageAboutADispute(t *testing.T) {
	const end = ` holds the same. Rotate this APIKey without an overlap: set its annotation apikey-operator.io/rotate to a new value that ends in ` +
		`",overlap=0s".`
	both := settled(with(record("old", v1alpha1.KeyRetiring, now.Add(time.Hour)), record("active", v1alpha1.KeyActive)))
	for name, c := range map[string]struct {
		key      *v1alpha1.APIKey
		disputes lifecycle.Disputes
		want     string
	}{
		"names an APIKey of the same namespace": {
			settled(), lifecycle.Disputes{"active": {rival("storefront", "copy")}},
			`Verifiers refuse the key active as disputed, because status.keys of APIKey "copy"` + end,
		},
		"does not name an APIKey of another namespace": {
			settled(), lifecycle.Disputes{"active": {rival("payments", "secret-project"), rival("backup", "other")}},
			`Verifiers refuse the key active as disputed, because status.keys of an APIKey in another namespace` + end,
		},
		"names both kinds, in whatever order they were found": {
			both, lifecycle.Disputes{"active": {rival("payments", "p"), rival("storefront", "b")}, "old": {rival("storefront", "b"), rival("storefront", "a")}},
			`Verifiers refuse the keys active, old as disputed, because status.keys of APIKey "a" and of APIKey "b" and of an APIKey in another ` +
				`namespace` + end,
		},
		"names two at most": {
			settled(), lifecycle.Disputes{"active": {rival("storefront", "c"), rival("storefront", "b"), rival("storefront", "a")}},
			`Verifiers refuse the key active as disputed, because status.keys of APIKey "a" and of APIKey "b" and of others of this namespace` + end,
		},
	} {
		t.Run(name, func(t *testing.T) {
			status := lifecycle.Settled(lifecycle.Observed{APIKey: c.key, Disputes: c.disputes}, now)
			if diff := cmp.Diff(c.want, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionDisputed).Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheMessageAboutADisputeFitsIntoAnEvent(t *testing.T) {
	const noteLimit = 1024
	long := strings.Repeat("n", 253)
	records, disputes := make([]v1alpha1.KeyRecord, v1alpha1.MaxKeys), lifecycle.Disputes{}
	for i := range records {
		digest := strings.Repeat(string(rune('a'+i)), 12)
		records[i] = record(digest, v1alpha1.KeyActive)
		disputes[digest] = []types.NamespacedName{
			rival("storefront", "1"+long[1:]),
			rival("storefront", "2"+long[1:]),
			rival("storefront", "3"+long[1:]),
			rival("payments", "p"),
		}
	}
	status := lifecycle.Settled(lifecycle.Observed{APIKey: settled(with(records...)), Disputes: disputes}, now)
	if message := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionDisputed).Message; len(message) > noteLimit {
		t.Errorf("the message has %d bytes, an event holds %d", len(message), noteLimit)
	}
}
