// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// FuzzDecide decides on arbitrary objects under arbitrary policies and writes every status that could follow. Nothing
// panics, nothing that has ended is called active, nothing is minted against the rules, no status outgrows the schema, and
// one that has settled stays as it is.
func FuzzDecide(f *testing.F) {
	for _, apikey := range []*v1alpha1.APIKey{
		settled(), settled(minted()),
		settled(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }),
		settled(func(k *v1alpha1.APIKey) { k.Spec.ValidFor, k.Spec.Suspend = "23h", true }),
		settled(func(k *v1alpha1.APIKey) {
			k.Spec.ValidFor, k.Status.ExpiresAt, k.Status.WarnedBefore = "48h", at(now.Add(24*time.Hour)), "720h"
		}),
		settled(annotated(v1alpha1.RotateAnnotation, "now,overlap=10m")),
		settled(
			annotated(v1alpha1.RotateAnnotation, "a"),
			actedOn("a", "b"),
			with(record("active", v1alpha1.KeyActive), announced("new", v1alpha1.TriggerAnnotation, "c,overlap=0s", "0s")),
		),
		settled(once), settled(once, taken), settled(once, taken, with(record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending))),
		settled(once, annotated(v1alpha1.ClaimAnnotation, "active")),
		settled(once, func(k *v1alpha1.APIKey) { k.Status.Keys[0].ClaimDeadline = at(now) }),
		settled(with(
			record("a", v1alpha1.KeyPending), record("b", v1alpha1.KeyActive), record("c", v1alpha1.KeyRetiring, now),
			record("d", v1alpha1.KeyRetiring),
		)),
	} {
		data, err := json.Marshal(apikey)
		if err != nil {
			f.Fatal(err)
		}
		for state := range int(lifecycle.SecretOwned) + 1 {
			f.Add(data, state, "active", "old", true, int64(0), []byte("[]"))
			f.Add(data, state, "active", "old", false, int64(0), []byte(`[
				{"metadata": {"name": "a"}, "spec": {"environments": ["Staging"],
					"expiry": {"default": "25h", "maximum": "26h", "required": true, "warnBefore": ["1h"]}}},
				{"metadata": {"name": "b"}, "spec": {"rateLimit": {"maximum": {"requests": 1, "per": "1m"}}, "rotation": {"maximumAge": "30h"}}}]`))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, state int, digest, previous string, flag bool, seconds int64, rules []byte) {
		apikey := &v1alpha1.APIKey{}
		if json.Unmarshal(data, apikey) != nil || state < 0 || state > int(lifecycle.SecretOwned) {
			return
		}
		var policies []*v1alpha1.APIKeyPolicy
		if json.Unmarshal(rules, &policies) != nil || slices.Contains(policies, nil) {
			return
		}
		moment := now.Add(time.Duration(seconds%1e9) * time.Second)
		o := lifecycle.Observed{APIKey: apikey, Secret: lifecycle.Secret{
			State: lifecycle.SecretState(state), Ref: ref, Digest: digest, PreviousDigest: previous, Fenced: flag, InShape: !flag,
		}, Policies: policies}
		if flag {
			o.Unguarded = []string{"a guardrail is missing"}
			o.Disputes = lifecycle.Disputes{digest: {{Namespace: "storefront", Name: previous}}, "active": {{Namespace: previous, Name: "copy"}}}
		}
		before, rulesBefore := apikey.DeepCopy(), slices.Clone(policies)
		_, over := lifecycle.Ended(o, moment)
		plan := lifecycle.Decide(o, moment)
		status, written := statusAfter(o, plan, moment)
		if !equality.Semantic.DeepEqual(before, apikey) || !slices.Equal(rulesBefore, policies) {
			t.Fatal("the object that was observed has changed")
		}
		if lifecycle.NextWake(o, moment) < 0 {
			t.Error("a wait that is negative")
		}
		if !written {
			return
		}
		if plan.Action == lifecycle.Mint && (flag || apikey.Status.LastRotation == nil && len(policy.TermsOf(apikey, policies).Violations(moment)) > 0) {
			t.Error("a key is minted that nothing guards, or that a policy denies")
		}
		if status.ObservedGeneration != apikey.Generation || !over && later(status.ExpiresAt, policy.DeclaredExpiry(apikey)) {
			t.Errorf("%s: generation %d of %d is reported to expire at %v", plan.Action, status.ObservedGeneration, apikey.Generation, status.ExpiresAt)
		}
		if over && (isActive(status) || plan.Action != lifecycle.Delete && plan.Action != lifecycle.Close) {
			t.Errorf("%s leaves a key that has ended %s", plan.Action, status.Phase)
		}
		if _, err := json.Marshal(status); err != nil {
			t.Errorf("the status cannot be stored: %v", err)
		}
		if plan.Action == lifecycle.Settle || plan.Action == lifecycle.Close || plan.Action == lifecycle.Block {
			apikey.Status = status
			later := moment
			if wake := lifecycle.NextWake(o, moment); wake == 0 || wake > time.Hour { // nothing is due by then
				later = moment.Add(time.Hour)
			}
			if again, _ := statusAfter(o, plan, later); !equality.Semantic.DeepEqual(status, again) {
				t.Errorf("%s writes another status each time", plan.Action)
			}
		}
		if len(before.Status.Keys) <= v1alpha1.MaxKeys && len(status.Keys) > v1alpha1.MaxKeys {
			t.Errorf("%s leaves %d records", plan.Action, len(status.Keys))
		}
		expectWritable(t, &status)
		if len(before.Status.RotateValues) <= v1alpha1.MaxRotateValues && len(status.RotateValues) > v1alpha1.MaxRotateValues {
			t.Errorf("%s remembers %d values", plan.Action, len(status.RotateValues))
		}
	})
}

// later says whether an end is later than another; nil is never.
func later(end, other *metav1.Time) bool {
	return other != nil && (end == nil || other.Before(end))
}

// statusAfter is the last status that a plan writes; false: it writes none.
func statusAfter(o lifecycle.Observed, plan lifecycle.Plan, now time.Time) (v1alpha1.APIKeyStatus, bool) {
	switch plan.Action {
	case lifecycle.Mint:
		announced := *o.APIKey.DeepCopy()
		announced.Status = lifecycle.Announced(o, "new", "new", now)
		o.APIKey = &announced

		return lifecycle.Promoted(o, "new", ref, plan.Trigger, now), true
	case lifecycle.Promote:
		return lifecycle.Promoted(o, o.Secret.Digest, o.Secret.Ref, plan.Trigger, now), true
	case lifecycle.Fence:
		return lifecycle.Fenced(o, ref, now), true
	case lifecycle.Delete, lifecycle.Close:
		return lifecycle.Closed(o, now), true
	case lifecycle.Block:
		return lifecycle.Blocked(o, plan.Reason, plan.Message, now), true
	case lifecycle.Settle, lifecycle.Reshape:
		return lifecycle.Settled(o, now), true
	case lifecycle.Claim, lifecycle.Discard:
		claimed := *o.APIKey.DeepCopy()
		if plan.Action == lifecycle.Claim {
			claimed.Status = lifecycle.Claimed(o, now)
		}
		o.APIKey = &claimed
		discarded := *o.APIKey.DeepCopy()
		discarded.Status = lifecycle.Accounted(o, now)
		o.APIKey, o.Secret = &discarded, lifecycle.Secret{State: lifecycle.SecretAbsent}

		return lifecycle.Settled(o, now), true
	case lifecycle.Ignore, lifecycle.Read:
		return v1alpha1.APIKeyStatus{}, false
	default:
		panic("an action that the test does not know: " + plan.Action.String())
	}
}
