// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func once(k *v1alpha1.APIKey) {
	k.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce}
}

// taken is a claimed key whose Secret is deleted.
func taken(k *v1alpha1.APIKey) { k.Status.ClaimedAt, k.Status.SecretRef = at(created), nil }

// taking is a claimed key whose Secret is not deleted yet.
func taking(k *v1alpha1.APIKey) { k.Status.ClaimedAt = at(created) }

// claimableUntil is a key that has to be claimed.
func claimableUntil(deadline time.Time) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Status.Keys[0].ClaimDeadline = at(deadline) }
}

func TestDecideOnADelivery(t *testing.T) {
	claim, rotate := annotated(v1alpha1.ClaimAnnotation, "active"), annotated(v1alpha1.RotateAnnotation, "now")
	pending := with(record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending))
	late := record("new", v1alpha1.KeyPending)
	late.ClaimDeadline = at(now)
	overdue := with(record("active", v1alpha1.KeyActive), late)
	foreign := lifecycle.Secret{State: lifecycle.SecretForeign, Ref: v1alpha1.SecretReference{UID: "2"}}
	released := lifecycle.Secret{State: lifecycle.SecretForeign, Ref: ref, OurType: true}
	for name, c := range map[string]struct {
		key    *v1alpha1.APIKey
		secret lifecycle.Secret
		want   lifecycle.Action
	}{
		"a key that awaits its claim needs nothing":    {settled(once), in(lifecycle.SecretUnread), lifecycle.Settle},
		"a claim makes the Secret be read":             {settled(once, claim), in(lifecycle.SecretUnread), lifecycle.Read},
		"a claim of the key in the Secret is acted on": {settled(once, claim), owned("active"), lifecycle.Claim},
		"a claim comes before a rotation":              {settled(once, claim, rotate), owned("active"), lifecycle.Claim},
		"a claim with delivery Keep is ignored":        {settled(claim), owned("active"), lifecycle.Settle},
		"a claim of another key is ignored": {
			settled(once, annotated(v1alpha1.ClaimAnnotation, "other")), owned("active"), lifecycle.Settle,
		},
		"a claim of a key that the Secret does not hold is not acted on": {settled(once, claim), owned("unknown"), lifecycle.Mint},
		"a Secret that was deleted without a record of a claim is a rotation, whatever the annotation says": {
			settled(once, claim), in(lifecycle.SecretAbsent), lifecycle.Mint,
		},
		"a claimed key needs no Secret":                                  {settled(once, taken, claim), in(lifecycle.SecretAbsent), lifecycle.Settle},
		"a claimed key is not read":                                      {settled(once, taken, claim), in(lifecycle.SecretUnread), lifecycle.Settle},
		"the Secret of a claimed key is deleted without being read":      {settled(once, taking), in(lifecycle.SecretUnread), lifecycle.Discard},
		"the Secret of a claimed key is deleted before a rotation":       {settled(once, taking, rotate), owned("active"), lifecycle.Discard},
		"a Secret of unknown content is deleted":                         {settled(once, taken), owned("unknown"), lifecycle.Discard},
		"a Secret of unknown content is replaced when a rotation is due": {settled(once, taken, rotate), owned("unknown"), lifecycle.Mint},
		"a claimed key is rotated":                                       {settled(once, taken, rotate), in(lifecycle.SecretAbsent), lifecycle.Mint},
		"an interrupted rotation of a claimed key is finished":           {settled(once, taken, pending), in(lifecycle.SecretAbsent), lifecycle.Mint},
		"the next key of a claimed one is promoted":                      {settled(once, taken, pending), owned("new"), lifecycle.Promote},
		"the next key is not promoted after its deadline":                {settled(once, taken, overdue), owned("new"), lifecycle.Mint},
		"a Secret of another owner does not concern a claimed key":       {settled(once, taken), foreign, lifecycle.Settle},
		"a Secret of another owner is in the way of its rotation":        {settled(once, taken, rotate), foreign, lifecycle.Block},
		"a copy that was released is reported":                           {settled(once, taking), released, lifecycle.Block},
		"a copy that a finalizer keeps is reported":                      {settled(once, taking), in(lifecycle.SecretTerminating), lifecycle.Block},
		"a deadline that has passed ends the key":                        {settled(once, claim, claimableUntil(now)), owned("active"), lifecycle.Delete},
		"a deadline that is ahead does not":                              {settled(once, claimableUntil(now.Add(1))), owned("active"), lifecycle.Settle},
	} {
		t.Run(name, func(t *testing.T) {
			plan := lifecycle.Decide(lifecycle.Observed{APIKey: c.key, Secret: c.secret}, now)
			if plan.Action != c.want {
				t.Errorf("%s, by check %q; want %s", plan.Action, plan.Check, c.want)
			}
		})
	}
}

// The Secret of a claimed key is the last object that tells a forged record from that of a replaced key. The simulation found that an operator
// that had just started deleted it and believed the status.
func TestTheCopyOfAClaimedKeyAccountsForRecordsBeforeItGoes(t *testing.T) {
	forged := record("forged", v1alpha1.KeyRetiring, now.Add(time.Hour))
	o := lifecycle.Observed{APIKey: settled(once, taking), Secret: in(lifecycle.SecretUnread), Unvouched: true}
	if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Read {
		t.Errorf("a status of another writer: %s, want a read", plan.Action)
	}
	o.APIKey.Status.Keys = append(o.APIKey.Status.Keys, forged)
	o.Secret = owned("active")
	o.Secret.Account = lifecycle.ParseAccount("active")
	if got := states(lifecycle.Accounted(o, now)); !slices.Equal(got, []string{"active Active"}) {
		t.Errorf("records %v before the deletion", got)
	}
	o.Remembered = lifecycle.ParseAccount("active,forged@" + strconv.FormatInt(forged.NotAfter.Unix(), 10))
	if got := states(lifecycle.Accounted(o, now)); !slices.Equal(got, []string{"active Active", "forged Retiring"}) {
		t.Errorf("records %v, although this operator has written them", got)
	}
}

// The simulation found that an operator which had been held up took the delivery of another one for forged: it remembered the key before.
func TestTheCopyOfAClaimedKeyAccountsForTheDeliveryOfAnotherOperator(t *testing.T) {
	forged := record("forged", v1alpha1.KeyRetiring, now.Add(time.Hour))
	all, kept, none := []string{"active Active", "forged Retiring"}, []string{"active Active"}, []string(nil)
	copied := owned("active")
	copied.Account = lifecycle.ParseAccount("active")
	other, unread, later := copied, in(lifecycle.SecretUnread), copied
	other.Account = lifecycle.ParseAccount("other")
	later.Ref.ResourceVersion += "0"
	for name, c := range map[string]struct {
		key    *v1alpha1.APIKey
		secret lifecycle.Secret
		want   []string
	}{
		"nothing is dropped before the copy is read":       {settled(once, taking), unread, all},
		"the copy accounts for its key, and for no other":  {settled(once, taking), copied, kept},
		"a copy of another key accounts for neither":       {settled(once, taking), other, none},
		"another version than the status names does not":   {settled(once, taking), later, none},
		"a Secret that the status does not name does not":  {settled(once, taken), copied, none},
		"without a copy the memory of the operator counts": {settled(once, taken), in(lifecycle.SecretUnread), none},
	} {
		t.Run(name, func(t *testing.T) {
			c.key.Status.Keys = append(c.key.Status.Keys, forged)
			o := lifecycle.Observed{APIKey: c.key, Secret: c.secret, Unvouched: true, Remembered: lifecycle.ParseAccount("before")}
			if got := states(lifecycle.Accounted(o, now)); !slices.Equal(got, c.want) {
				t.Errorf("records %v, want %v", got, c.want)
			}
		})
	}
}

// The simulation found a rotation that waited for the deletion of a copy that no watch delivers.
func TestADueRotationGoesOnAfterTheCopyIsDeleted(t *testing.T) {
	for name, c := range map[string]struct {
		key   *v1alpha1.APIKey
		retry bool
	}{
		"nothing is due":     {settled(once, taking), false},
		"a rotation is due":  {settled(once, taking, annotated(v1alpha1.RotateAnnotation, "now")), true},
		"a key is announced": {settled(once, taking, with(record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending))), true},
	} {
		t.Run(name, func(t *testing.T) {
			plan := lifecycle.Decide(lifecycle.Observed{APIKey: c.key, Secret: owned("active")}, now)
			if plan.Action != lifecycle.Discard || plan.RetryAfter > 0 != c.retry {
				t.Errorf("the plan is %+v", plan)
			}
		})
	}
}

func TestTriggersOfAClaimedKey(t *testing.T) {
	pending := with(record("active", v1alpha1.KeyActive), record("new", v1alpha1.KeyPending))
	every := func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: "24h"} }
	for name, c := range map[string]struct {
		key  *v1alpha1.APIKey
		want v1alpha1.RotationTrigger
	}{
		"a schedule":               {settled(once, taken, every), v1alpha1.TriggerSchedule},
		"a request":                {settled(once, taken, annotated(v1alpha1.RotateAnnotation, "now")), v1alpha1.TriggerAnnotation},
		"an interruption":          {settled(once, taken, pending), v1alpha1.TriggerRecovered},
		"a Secret that is deleted": {settled(once), v1alpha1.TriggerSecretDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			plan := lifecycle.Decide(lifecycle.Observed{APIKey: c.key, Secret: in(lifecycle.SecretAbsent)}, now)
			if plan.Action != lifecycle.Mint || plan.Trigger != c.want {
				t.Errorf("%s (%s), want a mint for %s", plan.Action, plan.Trigger, c.want)
			}
		})
	}
}

func TestADeadlineIsFixedWhenTheKeyIsDrawn(t *testing.T) {
	for period, want := range map[v1alpha1.Duration]time.Duration{
		"": time.Hour, "10m": 10 * time.Minute, "9999h": 720 * time.Hour, "soon": time.Hour, "0s": time.Hour, // the last three are from an older schema
	} {
		key := settled(once, minted(), func(k *v1alpha1.APIKey) { k.Spec.Secret.ClaimBefore = period })
		o := lifecycle.Observed{APIKey: key, Secret: in(lifecycle.SecretAbsent)}
		key.Status = lifecycle.Announced(o, "new", "new", now)
		key.Spec.Secret.ClaimBefore = "20m"
		key.Status = lifecycle.Promoted(o, "new", ref, v1alpha1.TriggerCreated, now.Add(time.Minute))
		if got := key.Status.Keys[0].ClaimDeadline; !cmp.Equal(got, at(now.Add(want))) {
			t.Errorf("claimBefore %q: %s, want %s", period, format(got), want)
		}
		expectConditions(t, key.Status, "Ready=True AwaitingClaim", "Active=True AwaitingClaim")
		if wake := lifecycle.NextWake(lifecycle.Observed{APIKey: key}, now); wake != want {
			t.Errorf("claimBefore %q: wakes in %s", period, wake)
		}
	}
}

func TestStatusOfAClaim(t *testing.T) {
	key := settled(once, annotated(v1alpha1.ClaimAnnotation, "active"), claimableUntil(now.Add(time.Minute)))
	o := lifecycle.Observed{APIKey: key, Secret: owned("active")}
	key.Status = lifecycle.Claimed(o, now)
	expectConditions(t, key.Status, "Ready=True Claimed", "Active=True Claimed", "Reconciling=True Claimed")
	want := []v1alpha1.KeyRecord{record("active", v1alpha1.KeyActive)}
	if diff := cmp.Diff(want, key.Status.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if !cmp.Equal(key.Status.ClaimedAt, at(now)) || key.Status.SecretRef == nil {
		t.Errorf("claimed at %s, with Secret %v", format(key.Status.ClaimedAt), key.Status.SecretRef)
	}
	// The Account of the Secret still has the deadline.
	o.Secret.Account = lifecycle.Account{Known: true, Ends: map[string]*metav1.Time{"active": nil}, Deadlines: map[string]*metav1.Time{"active": at(now)}}
	if _, over := lifecycle.Ended(o, now.Add(time.Hour)); over {
		t.Error("a claimed key ends at its deadline")
	}
	o.Secret = in(lifecycle.SecretAbsent)
	key.Status = lifecycle.Settled(o, now)
	expectConditions(t, key.Status, "Ready=True Claimed", "Active=True Claimed")
	if diff := cmp.Diff(want, key.Status.Keys); diff != "" || key.Status.SecretRef != nil {
		t.Errorf("Secret %v, keys (-want +got):\n%s", key.Status.SecretRef, diff)
	}

	metav1.SetMetaDataAnnotation(&key.ObjectMeta, v1alpha1.RotateAnnotation, "now,overlap=10m")
	key.Status = lifecycle.Announced(o, "new", "new", now)
	if got := states(key.Status); !cmp.Equal(got, []string{"active Active", "new Pending"}) || key.Status.ClaimedAt == nil {
		t.Errorf("announced: %v, claimed at %s", got, format(key.Status.ClaimedAt))
	}
	if lifecycle.KeepsPrevious(o, now) {
		t.Error("a previous key is kept that is nowhere in the cluster")
	}
	key.Status = lifecycle.Promoted(o, "new", ref, v1alpha1.TriggerAnnotation, now)
	if got := states(key.Status); !cmp.Equal(got, []string{"active Retiring", "new Active"}) || key.Status.ClaimedAt != nil {
		t.Errorf("promoted: %v, claimed at %s", got, format(key.Status.ClaimedAt))
	}
}

func TestMessagesAboutAClaimThatIsIgnored(t *testing.T) {
	const other = "its value is not the id of the active key."
	for name, c := range map[string]struct {
		key  *v1alpha1.APIKey
		want string
	}{
		"with delivery Keep": {
			settled(annotated(v1alpha1.ClaimAnnotation, "active")),
			"The Secret holds the active key. The annotation apikey-operator.io/claim is ignored, because spec.secret.delivery is not Once.",
		},
		"of another key": {
			settled(once, annotated(v1alpha1.ClaimAnnotation, "other")),
			"The Secret holds the active key until the key is claimed. The annotation apikey-operator.io/claim is ignored, because " + other,
		},
		"of another key than the claimed one": {
			settled(once, taken, annotated(v1alpha1.ClaimAnnotation, "other")),
			"The key was claimed: it works, and no copy of it is in the cluster. The annotation apikey-operator.io/claim is ignored, because " + other,
		},
		"of a suspended key": {
			settled(once, annotated(v1alpha1.ClaimAnnotation, "other"), func(k *v1alpha1.APIKey) { k.Spec.Suspend = true }),
			"spec.suspend is true: verifiers refuse the key until it is false. The annotation apikey-operator.io/claim is ignored, because " + other,
		},
		"not of the key itself": {settled(once, annotated(v1alpha1.ClaimAnnotation, "active")), "The Secret holds the active key until the key is claimed."},
	} {
		t.Run(name, func(t *testing.T) {
			status := lifecycle.Settled(lifecycle.Observed{APIKey: c.key}, now)
			if diff := cmp.Diff(c.want, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady).Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatusOfAKeyThatWasNotClaimed(t *testing.T) {
	key := settled(once, claimableUntil(now.Add(-time.Minute)))
	o := lifecycle.Observed{APIKey: key, Secret: in(lifecycle.SecretAbsent)}
	key.Status = lifecycle.Closed(o, now)
	if diff := cmp.Diff([]v1alpha1.KeyRecord{record("active", v1alpha1.KeyRetiring, now.Add(-time.Minute))}, key.Status.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	conditions := []string{"Ready=False NotClaimed", "Active=False NotClaimed", "Stalled=True NotClaimed"}
	expectConditions(t, key.Status, conditions...)
	if diff := cmp.Diff(key.Status, lifecycle.Closed(o, now.Add(time.Hour))); diff != "" {
		t.Errorf("an hour later it is not the same (-before +after):\n%s", diff)
	}
	refused := lifecycle.Failed(lifecycle.Observed{APIKey: settled(once, claimableUntil(now)), Secret: owned("active")}, refusal(""), now)
	expectConditions(t, refused, "Ready=False RequestRefused", "Active=False NotClaimed", "Reconciling=True RequestRefused")
}

func TestWhatAccountsForAClaimedKey(t *testing.T) {
	forged := with(record("active", v1alpha1.KeyActive), record("forged", v1alpha1.KeyRetiring, now.Add(time.Hour)))
	knows := lifecycle.Account{Known: true, Ends: map[string]*metav1.Time{"active": nil}}
	for name, c := range map[string]struct {
		o    lifecycle.Observed
		want []string
	}{
		"a status that this operator has written": {
			lifecycle.Observed{APIKey: settled(once, taken, forged), Secret: in(lifecycle.SecretAbsent)}, []string{"active Active", "forged Retiring"},
		},
		"the last status that it has written": {
			lifecycle.Observed{APIKey: settled(once, taken, forged), Secret: in(lifecycle.SecretAbsent), Unvouched: true, Remembered: knows},
			[]string{"active Active"},
		},
		"also while there is another Secret": {
			lifecycle.Observed{APIKey: settled(once, taken, forged), Secret: accounting("x", "x", ""), Unvouched: true, Remembered: knows},
			[]string{"active Active"},
		},
		"nothing after a start": {
			lifecycle.Observed{APIKey: settled(once, taken, forged), Secret: in(lifecycle.SecretAbsent), Unvouched: true},
			[]string{"active Active", "forged Retiring"},
		},
		"its Secret after a start, while that exists": {
			lifecycle.Observed{APIKey: settled(once, taking, forged), Secret: accounting("active", "active"), Unvouched: true},
			[]string{"active Active"},
		},
		"the Secret with delivery Keep, whatever claimedAt says": {
			lifecycle.Observed{APIKey: settled(taking, forged), Secret: accounting("active", "active")},
			[]string{"active Active"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, states(lifecycle.Settled(c.o, now))); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheAccountHasDeadlines(t *testing.T) {
	r := record("a", v1alpha1.KeyActive)
	r.ClaimDeadline = at(now)
	text := lifecycle.FormatAccount([]v1alpha1.KeyRecord{r, record("b", v1alpha1.KeyRetiring, now)})
	want := lifecycle.Account{Known: true, Ends: map[string]*metav1.Time{"a": nil, "b": at(now)}, Deadlines: map[string]*metav1.Time{"a": at(now)}}
	if diff := cmp.Diff(want, lifecycle.ParseAccount(text)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", text, diff)
	}
	for _, malformed := range []string{"a!", "a!x", "a!99999999999999999999"} {
		if got := lifecycle.ParseAccount(malformed); len(got.Ends)+len(got.Deadlines) != 0 {
			t.Errorf("%q: %v", malformed, got)
		}
	}
}
