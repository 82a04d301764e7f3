// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// ends is an entry of an Account for a key that is refused from a time on.
func ends(digest string, at time.Time) string {
	return lifecycle.FormatAccount([]v1alpha1.KeyRecord{record(digest, v1alpha1.KeyRetiring, at)})
}

// accounting is a Secret of ours that holds a key and has an Account.
func accounting(digest string, entries ...string) lifecycle.Secret {
	secret := owned(digest)
	secret.Account = lifecycle.ParseAccount(strings.Join(entries, ","))

	return secret
}

func TestAnAccountIsReadAsItWasWritten(t *testing.T) {
	records := []v1alpha1.KeyRecord{
		record("older", v1alpha1.KeyRetiring, now), record("old", v1alpha1.KeyRetiring, now.Add(time.Hour)),
		record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending),
	}
	account := lifecycle.ParseAccount(lifecycle.FormatAccount(records))
	if len(account.Ends) != 3 || account.Ends["active"] != nil || !account.Ends["old"].Equal(at(now.Add(time.Hour))) || !account.Ends["older"].Equal(at(now)) {
		t.Errorf("account %v", account)
	}
	if none := lifecycle.ParseAccount(lifecycle.FormatAccount(nil)); !none.Known || len(none.Ends) > 1 {
		t.Errorf("the account of a fence is %v", none)
	}
	if lifecycle.ParseAccount("").Known {
		t.Error("a Secret without an account has one")
	}
}

func TestWhatASecretAccountsFor(t *testing.T) {
	soon, late := now.Add(time.Minute), now.Add(time.Hour)
	for name, c := range map[string]struct {
		records []v1alpha1.KeyRecord
		secret  lifecycle.Secret
		want    []string
		dropped []string
	}{
		"the key in the Secret": {
			[]v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)}, accounting("active", "active"), []string{"active Active"}, nil,
		},
		"a key beside it that somebody has added": {
			[]v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive), record("forged", v1alpha1.KeyActive)}, accounting("active", "active"),
			[]string{"active Active"}, []string{"forged"},
		},
		"a key before it that somebody has added": {
			[]v1alpha1.KeyRecord{record("forged", v1alpha1.KeyActive), record("active", v1alpha1.KeyActive)}, accounting("active", "active"),
			[]string{"active Active"}, []string{"forged"},
		},
		"a retiring key that somebody has added": {
			[]v1alpha1.KeyRecord{record("forged", v1alpha1.KeyRetiring, late), record("active", v1alpha1.KeyActive)}, accounting("active", "active"),
			[]string{"active Active"}, []string{"forged"},
		},
		"a retiring key that the Secret knows": {
			[]v1alpha1.KeyRecord{
				record("old", v1alpha1.KeyRetiring, soon), record("active", v1alpha1.KeyActive),
			}, accounting("active", "active", ends("old", soon)),
			[]string{"old Retiring", "active Active"}, nil,
		},
		"a key that was edited out of the Secret": {
			[]v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)}, accounting("planted", "active"), []string{"active Active"}, nil,
		},
		"a key that stands in the Secret and not in its account": {
			[]v1alpha1.KeyRecord{record("planted", v1alpha1.KeyActive)}, accounting("planted", "active"), nil, []string{"planted"},
		},
		"the key before the last one, from a status that was restored": {
			[]v1alpha1.KeyRecord{record("old", v1alpha1.KeyActive)}, accounting("active", "active"), nil, []string{"old"},
		},
		"the same, while its overlap runs": {
			[]v1alpha1.KeyRecord{record("old", v1alpha1.KeyActive)}, accounting("active", "active", ends("old", soon)), []string{"old Retiring"}, nil,
		},
		"the newer key, after the Secret was restored": {
			[]v1alpha1.KeyRecord{record("new", v1alpha1.KeyActive)}, accounting("old", "old"), nil, []string{"new"},
		},
		"an account that cannot be read accounts for nothing": {
			[]v1alpha1.KeyRecord{record("old", v1alpha1.KeyRetiring, soon), record("active", v1alpha1.KeyActive)}, accounting("active", "active", "old@soon"),
			[]string{"active Active"}, []string{"old"},
		},
		"a Secret from before there were accounts": {
			[]v1alpha1.KeyRecord{record("old", v1alpha1.KeyRetiring, soon), record("active", v1alpha1.KeyActive), record("forged", v1alpha1.KeyActive)},
			owned("active"), []string{"active Active"}, []string{"old", "forged"},
		},
		"an announced key": {
			[]v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending)}, accounting("active", "active"),
			[]string{"active Active", "new Pending"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: settled(with(c.records...)), Secret: c.secret}
			status := lifecycle.Settled(o, now)
			if diff := cmp.Diff(c.want, states(status)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.dropped, lifecycle.Unaccounted(o)); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
			blocked := lifecycle.Blocked(o, v1alpha1.ReasonGuardrailsMissing, "gone", now)
			if diff := cmp.Diff(c.want, states(blocked)); diff != "" {
				t.Errorf("keys of a blocked key (-want +got):\n%s", diff)
			}
			if works := isActive(blocked); works != strings.Contains(strings.Join(c.want, " "), "Active") {
				t.Errorf("a blocked key counts as accepted: %t", works)
			}
		})
	}
}

func TestTheEndThatTheSecretKnowsIsTheLatest(t *testing.T) {
	o := lifecycle.Observed{
		APIKey: settled(with(record("old", v1alpha1.KeyRetiring, now.Add(700*time.Hour)), record("active", v1alpha1.KeyActive))),
		Secret: accounting("active", "active", ends("old", now.Add(time.Minute))),
	}
	if got := lifecycle.Settled(o, now).Keys[0].NotAfter; !got.Equal(at(now.Add(time.Minute))) {
		t.Errorf("the overlap was extended to %s", got)
	}
}

func TestARecordUnderAnotherIDIsNobodys(t *testing.T) {
	twin := record("active", v1alpha1.KeyRetiring, now.Add(time.Hour))
	twin.ID = "other"
	o := lifecycle.Observed{
		APIKey: settled(with(record("active", v1alpha1.KeyActive), twin)),
		Secret: accounting("active", "active", ends("active", now.Add(time.Hour))),
	}
	for _, r := range lifecycle.Settled(o, now).Keys {
		if r.ID == "other" {
			t.Error("a second record of the same key is kept")
		}
	}
}

func TestAnOverlapThatNoneCanHaveIsOver(t *testing.T) {
	forged := with(record("forged", v1alpha1.KeyRetiring, now.Add(721*time.Hour)), record("active", v1alpha1.KeyActive))
	o := lifecycle.Observed{APIKey: settled(forged), Secret: in(lifecycle.SecretUnread)}
	if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Read {
		t.Errorf("%s, want a look at the Secret", plan.Action)
	}
	if got := states(lifecycle.Settled(o, now)); !cmp.Equal(got, []string{"active Active"}) {
		t.Errorf("keys %v", got)
	}
}

func TestAnAnnouncedKeyThatNothingVouchesForIsFencedOffWhereNoneIsMinted(t *testing.T) {
	o := lifecycle.Observed{
		APIKey: settled(with(record("active", v1alpha1.KeyActive), record("forged", v1alpha1.KeyPending))),
		Secret: accounting("active", "active"), Unguarded: []string{"gone"},
	}
	if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Block {
		t.Errorf("the operator's own: %s", plan.Action)
	}
	o.Unvouched = true
	if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Fence {
		t.Errorf("somebody else's: %s", plan.Action)
	}
	if got := states(lifecycle.Fenced(o, ref, now)); !cmp.Equal(got, []string{"active Active"}) {
		t.Errorf("keys %v", got)
	}
	o.Unguarded = nil
	if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Mint {
		t.Errorf("with guardrails: %s", plan.Action)
	}
	for _, state := range []lifecycle.SecretState{lifecycle.SecretForeign, lifecycle.SecretTerminating} {
		o.Secret = in(state)
		plan := lifecycle.Decide(o, now)
		if got := states(lifecycle.Blocked(o, plan.Reason, plan.Message, now)); len(got) != 0 && strings.Contains(strings.Join(got, " "), "forged") {
			t.Errorf("keys %v", got)
		}
	}
}

func TestASecretWithoutOurOwnerReferenceStillAccounts(t *testing.T) {
	o := lifecycle.Observed{
		APIKey: settled(with(record("active", v1alpha1.KeyActive), record("forged", v1alpha1.KeyActive))),
		Secret: accounting("active", "active"),
	}
	o.Secret.State, o.Secret.OurType = lifecycle.SecretForeign, true
	plan := lifecycle.Decide(o, now)
	if got := states(lifecycle.Blocked(o, plan.Reason, plan.Message, now)); !cmp.Equal(got, []string{"active Active"}) {
		t.Errorf("keys %v", got)
	}
	o.Secret.OurType = false // the type of a Secret never changes, so this one was never ours
	if got := states(lifecycle.Blocked(o, plan.Reason, plan.Message, now)); len(got) != 0 {
		t.Errorf("keys %v", got)
	}
}
