// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// policies returns APIKeyPolicies with specs in YAML, named a, b, c…
func policies(t *testing.T, specs ...string) []*v1alpha1.APIKeyPolicy {
	t.Helper()
	all := make([]*v1alpha1.APIKeyPolicy, len(specs))
	for i, spec := range specs {
		all[i] = &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}}
		if err := yaml.UnmarshalStrict([]byte(spec), &all[i].Spec); err != nil {
			t.Fatalf("policy %s: %v", spec, err)
		}
	}

	return all
}

// expires is a change of spec.expiresAt, and recorded one of status.expiresAt.
func expires(at *metav1.Time) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at }
}

func recorded(at *metav1.Time) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = at }
}

// edited makes the spec one that was not acted on yet.
func edited(k *v1alpha1.APIKey) { k.Generation++ }

func rotateNow(k *v1alpha1.APIKey) { annotated(v1alpha1.RotateAnnotation, "now")(k) }

func TestDecideUnderPoliciesAndGuardrails(t *testing.T) {
	onlyStaging := policies(t, "environments: [Staging]")
	shortLived := policies(t, "expiry: {maximum: 23h}")
	gone := []string{"grants is gone", "limits is gone"}
	const goneMessage = "No key is minted until the guardrails at the API server are in force: grants is gone; limits is gone."
	crowd := with(record("active", v1alpha1.KeyActive), record("a", v1alpha1.KeyPending), record("b", v1alpha1.KeyPending), record("c", v1alpha1.KeyPending))

	for name, c := range map[string]struct {
		o       lifecycle.Observed
		action  lifecycle.Action
		reason  string
		message string
	}{
		"a new key that does not meet a policy gets no key": {
			lifecycle.Observed{APIKey: settled(minted()), Secret: in(lifecycle.SecretAbsent), Policies: onlyStaging},
			lifecycle.Block, v1alpha1.ReasonPolicyDenied, `APIKeyPolicy "a" does not allow environment "Production": it allows "Staging".`,
		},
		"nor does one with an unknown key in its Secret": {
			lifecycle.Observed{APIKey: settled(minted()), Secret: owned("unknown"), Policies: onlyStaging},
			lifecycle.Block, v1alpha1.ReasonPolicyDenied, `APIKeyPolicy "a" does not allow environment "Production": it allows "Staging".`,
		},
		"but what was handed out already is promoted": {
			lifecycle.Observed{
				APIKey:    settled(minted(), with(record("new", v1alpha1.KeyPending))),
				Secret:    owned("new"),
				Policies:  onlyStaging,
				Unguarded: gone,
			},
			lifecycle.Promote, "", "",
		},
		"a living key that does not meet a policy lives on": {
			lifecycle.Observed{APIKey: settled(), Secret: owned("active"), Policies: onlyStaging},
			lifecycle.Settle,
			"",
			"",
		},
		"it can be rotated, for it may have leaked": {
			lifecycle.Observed{APIKey: settled(rotateNow), Secret: owned("active"), Policies: onlyStaging},
			lifecycle.Mint,
			"",
			"",
		},
		"and gets a new key when its Secret is deleted": {
			lifecycle.Observed{APIKey: settled(), Secret: in(lifecycle.SecretAbsent), Policies: onlyStaging},
			lifecycle.Mint,
			"",
			"",
		},
		"a new key without guardrails gets no key": {
			lifecycle.Observed{APIKey: settled(minted()), Secret: in(lifecycle.SecretAbsent), Unguarded: gone},
			lifecycle.Block,
			v1alpha1.ReasonGuardrailsMissing,
			goneMessage,
		},
		"a rotation without guardrails has to wait": {
			lifecycle.Observed{APIKey: settled(rotateNow), Secret: owned("active"), Unguarded: gone},
			lifecycle.Block,
			v1alpha1.ReasonGuardrailsMissing,
			goneMessage,
		},
		"a deleted Secret without guardrails, too": {
			lifecycle.Observed{APIKey: settled(), Secret: in(lifecycle.SecretAbsent), Unguarded: gone},
			lifecycle.Block,
			v1alpha1.ReasonGuardrailsMissing,
			goneMessage,
		},
		"a living key needs no guardrails": {
			lifecycle.Observed{APIKey: settled(), Secret: owned("active"), Unguarded: gone},
			lifecycle.Settle,
			"",
			"",
		},
		"its labels are put right without them": {
			lifecycle.Observed{APIKey: settled(), Secret: lifecycle.Secret{State: lifecycle.SecretOwned, Ref: ref, Digest: "active"}, Unguarded: gone},
			lifecycle.Reshape,
			"",
			"",
		},
		"it is revoked without them": {
			lifecycle.Observed{APIKey: settled(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }), Secret: in(lifecycle.SecretUnread), Unguarded: gone},
			lifecycle.Delete,
			"",
			"",
		},
		"it expires without them": {
			lifecycle.Observed{APIKey: settled(recorded(at(now))), Secret: in(lifecycle.SecretUnread), Unguarded: gone},
			lifecycle.Delete,
			"",
			"",
		},
		"nothing is fenced for a mint that has to wait": {
			lifecycle.Observed{APIKey: settled(rotateNow, crowd), Secret: owned("active"), Unguarded: gone},
			lifecycle.Block,
			v1alpha1.ReasonGuardrailsMissing,
			goneMessage,
		},
		"a maximum that has passed ends a key that was none yet": {
			lifecycle.Observed{APIKey: settled(minted()), Secret: in(lifecycle.SecretUnread), Policies: shortLived},
			lifecycle.Close,
			"",
			"",
		},
		"a maximum that has passed ends no living key": {
			lifecycle.Observed{APIKey: settled(), Secret: in(lifecycle.SecretUnread), Policies: shortLived},
			lifecycle.Settle,
			"",
			"",
		},
		"also when its spec changes": {
			lifecycle.Observed{APIKey: settled(edited), Secret: owned("active"), Policies: shortLived},
			lifecycle.Settle,
			"",
			"",
		},
		"an end that a policy has set before the first key was tried for is forgotten with the policy": {
			lifecycle.Observed{APIKey: settled(minted(), recorded(at(now))), Secret: in(lifecycle.SecretAbsent)}, lifecycle.Mint, "", "",
		},
		"but not when that key may be in use": {
			lifecycle.Observed{
				APIKey: settled(minted(), recorded(at(now)), with(record("new", v1alpha1.KeyPending))),
				Secret: owned("new"),
			}, lifecycle.Delete, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := lifecycle.Decide(c.o, now)
			if plan.Action != c.action || plan.Reason != c.reason || plan.Message != c.message {
				t.Errorf("%s (%s: %s), by check %q; want %s (%s: %s)", plan.Action, plan.Reason, plan.Message, plan.Check, c.action, c.reason, c.message)
			}
		})
	}
}

// reports are all functions that write a status of a key that has not ended.
func reports() map[string]func(lifecycle.Observed) v1alpha1.APIKeyStatus {
	return map[string]func(lifecycle.Observed) v1alpha1.APIKeyStatus{
		"announced": func(o lifecycle.Observed) v1alpha1.APIKeyStatus { return lifecycle.Announced(o, "new", "new", now) },
		"promoted": func(o lifecycle.Observed) v1alpha1.APIKeyStatus {
			return lifecycle.Promoted(o, "active", ref, v1alpha1.TriggerAnnotation, now)
		},
		"settled": func(o lifecycle.Observed) v1alpha1.APIKeyStatus { return lifecycle.Settled(o, now) },
		"fenced":  func(o lifecycle.Observed) v1alpha1.APIKeyStatus { return lifecycle.Fenced(o, ref, now) },
		"blocked": func(o lifecycle.Observed) v1alpha1.APIKeyStatus {
			return lifecycle.Blocked(o, "Reason", "message", now)
		},
		"refused": func(o lifecycle.Observed) v1alpha1.APIKeyStatus { return lifecycle.Failed(o, refusal(""), now) },
		"withheld": func(o lifecycle.Observed) v1alpha1.APIKeyStatus {
			return lifecycle.Withheld(o, "", lifecycle.Plan{Reason: "Reason"}, now)
		},
	}
}

func TestEveryReportRecordsWhatSpecAndPoliciesSay(t *testing.T) {
	soon, late := at(now.Add(time.Hour)), at(now.Add(1000*time.Hour))
	rate := func(limit v1alpha1.RateLimit) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Spec.RateLimit = &limit }
	}
	for name, c := range map[string]struct {
		key       *v1alpha1.APIKey
		policies  []*v1alpha1.APIKeyPolicy
		expiresAt string
		limit     *v1alpha1.RateLimit
		compliant metav1.ConditionStatus
	}{
		"nothing is said": {settled(edited), nil, "", nil, ""},
		"spec alone": {
			settled(edited, expires(late), rate(v1alpha1.RateLimit{Requests: 5, Per: "1m"})),
			nil,
			format(late),
			&v1alpha1.RateLimit{Requests: 5, Per: "1m"},
			"",
		},
		"a default": {
			settled(minted()),
			policies(t, "{expiry: {default: 48h}, rateLimit: {default: {requests: 9, per: 1s}}}"),
			"2026-11-22T12:00:00Z",
			&v1alpha1.RateLimit{Requests: 9, Per: "1s"},
			metav1.ConditionTrue,
		},
		"a maximum":           {settled(minted(), expires(late)), policies(t, "expiry: {maximum: 48h}"), "2026-11-22T12:00:00Z", nil, metav1.ConditionFalse},
		"a policy made later": {settled(recorded(late)), policies(t, "expiry: {maximum: 48h}"), format(late), nil, metav1.ConditionFalse},
		"a policy gone later": {settled(recorded(soon)), nil, format(soon), nil, ""},
		"a limit made later": {
			settled(rate(v1alpha1.RateLimit{Requests: 5, Per: "1m"})),
			policies(t, "rateLimit: {maximum: {requests: 1, per: 1m}}"),
			"",
			&v1alpha1.RateLimit{Requests: 1, Per: "1m"},
			metav1.ConditionFalse,
		},
		"an edit under policy": {
			settled(edited, recorded(soon), expires(late)),
			policies(t, "expiry: {maximum: 48h}"),
			"2026-11-22T12:00:00Z",
			nil,
			metav1.ConditionFalse,
		},
		"a shortening": {
			settled(edited, recorded(late), expires(soon)),
			policies(t, "expiry: {maximum: 48h}"),
			format(soon),
			nil,
			metav1.ConditionTrue,
		},
		"an edit of never":      {settled(edited), policies(t, "expiry: {maximum: 1h}"), "", nil, metav1.ConditionFalse},
		"a record beyond spec":  {settled(expires(soon), recorded(late)), nil, format(soon), nil, ""},
		"spec without a record": {settled(expires(soon)), nil, format(soon), nil, ""},
	} {
		for action, report := range reports() {
			t.Run(name+", "+action, func(t *testing.T) {
				status := report(lifecycle.Observed{APIKey: c.key, Secret: owned("active"), Policies: c.policies})
				if status.ObservedGeneration != c.key.Generation {
					t.Errorf("observed generation %d of %d", status.ObservedGeneration, c.key.Generation)
				}
				if got := format(status.ExpiresAt); got != c.expiresAt {
					t.Errorf("expires at %q, want %q", got, c.expiresAt)
				}
				if diff := cmp.Diff(c.limit, status.RateLimit); diff != "" {
					t.Errorf("rate limit (-want +got):\n%s", diff)
				}
				if got := compliance(status); got.Status != c.compliant {
					t.Errorf("compliant %q: %s; want %q", got.Status, got.Message, c.compliant)
				}
			})
		}
	}
}

// compliance is the condition Compliant; the zero one: there is none.
func compliance(s v1alpha1.APIKeyStatus) metav1.Condition {
	if condition := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionCompliant); condition != nil {
		return *condition
	}

	return metav1.Condition{}
}

func TestTheEndOfALivingKeyIsFixed(t *testing.T) {
	apikey := settled(minted())
	o := lifecycle.Observed{APIKey: apikey, Secret: in(lifecycle.SecretAbsent), Policies: policies(t, "expiry: {default: 48h}")}
	apikey.Status = lifecycle.Announced(o, "new", "new", now)
	apikey.Status = lifecycle.Promoted(o, "new", ref, v1alpha1.TriggerCreated, now)
	first := format(apikey.Status.ExpiresAt)
	for _, spec := range []string{"expiry: {default: 25h}", "expiry: {default: 96h}", "environments: [Production]", "expiry: {maximum: 25h}"} {
		o.Policies = policies(t, spec)
		apikey.Status = lifecycle.Settled(o, now)
		if got := format(apikey.Status.ExpiresAt); got != first {
			t.Errorf("under %q the end moves from %s to %s", spec, first, got)
		}
	}
}

func TestCompliantSays(t *testing.T) {
	revoked := func(k *v1alpha1.APIKey) { k.Spec.Revoked = true }
	for name, c := range map[string]struct {
		key      *v1alpha1.APIKey
		policies []*v1alpha1.APIKeyPolicy
		want     string
	}{
		"that all policies are met": {
			settled(),
			policies(t, "environments: [Production]"),
			"PolicyMet: The APIKey meets every APIKeyPolicy that is for its namespace.",
		},
		"which are not met": {
			settled(), policies(t, "environments: [Staging]", "rotation: {required: true}"),
			`PolicyDenied: APIKeyPolicy "a" does not allow environment "Production": it allows "Staging". APIKeyPolicy "b" demands a rotation: set ` +
				`spec.rotation.every.`,
		},
		"that a key has become too old": {
			settled(), policies(t, "rotation: {maximumAge: 24h}"),
			`PolicyDenied: APIKeyPolicy "a" demands that a key is at most 24h old: the active one is older. Rotate it, or set spec.rotation.every.`,
		},
		"that its end was fixed before a maximum": {
			settled(), policies(t, "expiry: {maximum: 48h}"),
			`PolicyDenied: APIKeyPolicy "a" lets a key live at most 48h from its creation, and the end of this one was fixed before: set spec.expiresAt ` +
				`or spec.validFor.`,
		},
		"that it was handed out before a default": {
			settled(), policies(t, "expiry: {default: 48h, required: true}"),
			`PolicyDenied: APIKeyPolicy "a" demands an expiry, and this key was handed out without one before: set spec.expiresAt or spec.validFor.`,
		},
		"nothing twice": {
			settled(expires(at(now.Add(100 * time.Hour)))), policies(t, "expiry: {maximum: 48h}"),
			`PolicyDenied: APIKeyPolicy "a" lets a key live at most 48h from its creation: spec.expiresAt is later.`,
		},
		"nothing of a default that came later": {
			settled(),
			policies(t, "expiry: {default: 48h}"),
			"PolicyMet: The APIKey meets every APIKeyPolicy that is for its namespace.",
		},
		"nothing where no policy is":           {settled(), nil, ": "},
		"nothing of a key that nobody can use": {settled(revoked), policies(t, "environments: [Staging]"), ": "},
	} {
		t.Run(name, func(t *testing.T) {
			o := lifecycle.Observed{APIKey: c.key, Secret: owned("active"), Policies: c.policies}
			report := lifecycle.Settled
			if c.key.Spec.Revoked {
				before := lifecycle.Observed{APIKey: settled(), Secret: o.Secret, Policies: c.policies}
				c.key.Status = lifecycle.Settled(before, now)
				report = lifecycle.Closed
			}
			status := report(o, now)
			if got := compliance(status); got.Reason+": "+got.Message != c.want {
				t.Errorf("%s: %s\nwant %s", got.Reason, got.Message, c.want)
			}
			if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				t.Errorf("Ready is %s", ready.Status)
			}
		})
	}
}

func TestALongListIsCut(t *testing.T) {
	part := strings.Repeat("é", 100)
	const before = "No key is minted until the guardrails at the API server are in force: "
	for name, c := range map[string]struct {
		missing []string
		want    string
	}{
		"not while there is room":         {[]string{part, part, part, part}, strings.Join([]string{part, part, part, part}, "; ")},
		"after as much as there is room":  {[]string{part, part, part, part, part}, strings.Join([]string{part, part, part, part}, "; ") + " (and more)"},
		"within what alone is too long":   {[]string{strings.Repeat("é", 600)}, strings.Repeat("é", 450) + " (and more)"},
		"between two bytes of one letter": {[]string{"-" + strings.Repeat("é", 600)}, "-" + strings.Repeat("é", 449) + " (and more)"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := lifecycle.Decide(lifecycle.Observed{APIKey: settled(minted()), Secret: in(lifecycle.SecretAbsent), Unguarded: c.missing}, now)
			if diff := cmp.Diff(before+c.want+".", plan.Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if len(plan.Message) > 1024 {
				t.Errorf("%d bytes do not go into an event", len(plan.Message))
			}
		})
	}
}

func TestAnnouncedAndWithheld(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(minted(), with(record("older", v1alpha1.KeyPending))), Secret: in(lifecycle.SecretAbsent)}
	o.APIKey.Status = lifecycle.Announced(o, "new", "new", now)
	if plan, held := lifecycle.HoldsBack(o, now); held {
		t.Fatalf("held back by %s without a reason", plan.Reason)
	}
	for reason, change := range map[string]lifecycle.Observed{
		v1alpha1.ReasonPolicyDenied:      {Policies: policies(t, "environments: [Staging]")},
		v1alpha1.ReasonGuardrailsMissing: {Unguarded: []string{"gone"}},
	} {
		t.Run(reason, func(t *testing.T) {
			changed := lifecycle.Observed{APIKey: o.APIKey, Secret: o.Secret, Policies: change.Policies, Unguarded: change.Unguarded}
			plan, held := lifecycle.HoldsBack(changed, now)
			if !held || plan.Reason != reason {
				t.Fatalf("held back: %t, by %q", held, plan.Reason)
			}
			status := lifecycle.Withheld(changed, "new", plan, now)
			if diff := cmp.Diff([]string{"older Pending"}, states(status)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready.Reason != reason || ready.Status != metav1.ConditionFalse {
				t.Errorf("Ready is %s, %s", ready.Status, ready.Reason)
			}
		})
	}
}

func TestWakesWhenAKeyGetsTooOld(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Policies: policies(t, "rotation: {maximumAge: 25h}", "rotation: {maximumAge: 30h}")}
	if got := lifecycle.NextWake(o, now); got != time.Hour {
		t.Errorf("wakes in %s, want 1h", got)
	}
	if got := lifecycle.NextWake(o, now.Add(time.Hour)); got != 5*time.Hour {
		t.Errorf("wakes in %s for the other policy, want 5h", got)
	}
}
