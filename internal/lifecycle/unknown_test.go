// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"slices"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// A record that was forged as Pending looks like one that a predecessor of the operator has announced. Minting ends both. Where nothing is
// minted, one effect has to end them.
func TestAnAnnouncedKeyThatTheOperatorDoesNotKnowIsDropped(t *testing.T) {
	forged, mine := record("forged", v1alpha1.KeyPending), record("mine", v1alpha1.KeyPending)
	rotating := with(record("active", v1alpha1.KeyActive), forged, mine)
	suspended := func(k *v1alpha1.APIKey) { k.Spec.Suspend = true }
	first := func(k *v1alpha1.APIKey) {
		k.Status.LastRotation, k.Status.Keys = nil, []v1alpha1.KeyRecord{forged, mine}
	}
	another := lifecycle.Secret{State: lifecycle.SecretForeign, Ref: v1alpha1.SecretReference{Name: ref.Name, UID: "another", ResourceVersion: "1"}}
	disowned := owned("active")
	disowned.State, disowned.OurType = lifecycle.SecretForeign, true
	for name, c := range map[string]struct {
		observed lifecycle.Observed
		action   lifecycle.Action
		want     []string
	}{
		"a Secret of another owner is in the way": {
			lifecycle.Observed{APIKey: settled(rotating), Secret: another}, lifecycle.Block, []string{"mine Pending"},
		},
		"the Secret has lost its owner": {
			lifecycle.Observed{APIKey: settled(rotating), Secret: disowned}, lifecycle.Block, []string{"active Active", "mine Pending"},
		},
		"the Secret is being deleted": {
			lifecycle.Observed{APIKey: settled(rotating), Secret: in(lifecycle.SecretTerminating)}, lifecycle.Block, []string{"mine Pending"},
		},
		"guardrails are missing": {
			lifecycle.Observed{APIKey: settled(rotating), Secret: owned("active"), Unguarded: []string{"one"}}, lifecycle.Fence, []string{"active Active"},
		},
		"guardrails are missing, and there is no Secret": {
			lifecycle.Observed{APIKey: settled(first), Secret: in(lifecycle.SecretAbsent), Unguarded: []string{"one"}}, lifecycle.Fence, nil,
		},
		"a policy refuses the first key": {
			lifecycle.Observed{APIKey: settled(first), Secret: in(lifecycle.SecretAbsent), Policies: policies(t, "environments: [Staging]")},
			lifecycle.Fence, nil,
		},
		"the key is suspended": {
			lifecycle.Observed{APIKey: settled(rotating, suspended), Secret: owned("active")}, lifecycle.Mint, nil,
		},
		"the key is suspended, and a Secret is in the way": {
			lifecycle.Observed{APIKey: settled(rotating, suspended), Secret: another}, lifecycle.Block, []string{"mine Pending"},
		},
		"the key was claimed": {
			lifecycle.Observed{APIKey: settled(once, taken, rotating), Secret: in(lifecycle.SecretAbsent)}, lifecycle.Mint, nil,
		},
		"the key was claimed, and a Secret is in the way": {
			lifecycle.Observed{APIKey: settled(once, taken, rotating), Secret: another}, lifecycle.Block, []string{"active Active", "mine Pending"},
		},
		"the key was claimed, and guardrails are missing": {
			lifecycle.Observed{APIKey: settled(once, taken, rotating), Secret: in(lifecycle.SecretAbsent), Unguarded: []string{"one"}},
			lifecycle.Fence, []string{"active Active"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.observed.Undrawn = []string{"forged"}
			plan := lifecycle.Decide(c.observed, now)
			if plan.Action != c.action {
				t.Fatalf("the plan is %+v, want %s", plan, c.action)
			}
			var got v1alpha1.APIKeyStatus
			switch plan.Action {
			case lifecycle.Block:
				got = lifecycle.Blocked(c.observed, plan.Reason, plan.Message, now)
			case lifecycle.Fence:
				got = lifecycle.Fenced(c.observed, ref, now)
			default:
				return // the promotion of the new key drops every other announced one
			}
			if !slices.Equal(states(got), c.want) {
				t.Errorf("records %v, want %v", states(got), c.want)
			}
		})
	}
}
