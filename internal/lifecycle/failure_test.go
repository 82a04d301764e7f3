// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// refusal is a request that the API server has refused, after a key was announced for it.
func refusal(announced string) lifecycle.Failure {
	return lifecycle.Failure{Reason: v1alpha1.ReasonRequestRefused, Message: "no", Announced: announced}
}

// failure is a request that has failed for long enough to be reported.
func failure(message string) lifecycle.Failure {
	return lifecycle.Failure{Reason: v1alpha1.ReasonRequestFailed, Message: message}
}

func readyMessage(t *testing.T, s v1alpha1.APIKeyStatus) string {
	t.Helper()
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Message
		}
	}
	t.Fatal("there is no Ready condition")

	return ""
}

func TestAFailureThatDoesNotLastChangesNothing(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Secret: owned("active")}
	if diff := cmp.Diff(o.APIKey.Status, lifecycle.Failed(o, lifecycle.Failure{Message: "once"}, now)); diff != "" {
		t.Errorf("status (-before +after):\n%s", diff)
	}
}

func TestAnEndIsReportedAtTheFirstFailureAlready(t *testing.T) {
	for phase, change := range map[v1alpha1.Phase]func(*v1alpha1.APIKey){
		v1alpha1.PhaseRevoked: func(k *v1alpha1.APIKey) { k.Spec.Revoked = true },
		v1alpha1.PhaseExpired: func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(now) },
	} {
		t.Run(string(phase), func(t *testing.T) {
			o := lifecycle.Observed{APIKey: settled(change)}
			first := lifecycle.Failed(o, lifecycle.Failure{Message: "once"}, now)
			if first.Phase != phase || first.SecretRef == nil {
				t.Errorf("phase %s, secretRef %v", first.Phase, first.SecretRef)
			}
			expectConditions(t, first, "Ready=False "+string(phase), "Active=False "+string(phase), "Reconciling=True "+string(phase))

			o.APIKey.Status = first
			if plan := lifecycle.Decide(o, now); plan.Action != lifecycle.Delete {
				t.Errorf("the next pass is to %s", plan.Action)
			}
			if diff := cmp.Diff(first, lifecycle.Failed(o, lifecycle.Failure{Message: "twice"}, now)); diff != "" {
				t.Errorf("the second failure is news (-first +second):\n%s", diff)
			}
			o.APIKey.Status = lifecycle.Failed(o, failure("the webhook is down"), now)
			expectConditions(t, o.APIKey.Status, "Ready=False RequestFailed", "Active=False "+string(phase), "Reconciling=True RequestFailed")
			want := "The key is refused for good, but its Secret could not be deleted yet. the webhook is down"
			if got := readyMessage(t, o.APIKey.Status); got != want {
				t.Errorf("message %q, want %q", got, want)
			}
			if diff := cmp.Diff(o.APIKey.Status, lifecycle.Failed(o, failure("the webhook is down"), now.Add(time.Hour))); diff != "" {
				t.Errorf("the next failure is news (-before +after):\n%s", diff)
			}
			closed := lifecycle.Closed(o, now)
			if closed.Phase != phase || closed.SecretRef != nil {
				t.Errorf("after the deletion: phase %s, secretRef %v", closed.Phase, closed.SecretRef)
			}
		})
	}
}

func TestAFailureStopsAKeyWhoseSecretIsGone(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Secret: in(lifecycle.SecretAbsent)}
	status := lifecycle.Failed(o, lifecycle.Failure{Message: "once"}, now)
	if len(status.Keys) != 0 || status.SecretRef != nil || status.Phase != v1alpha1.PhasePending {
		t.Errorf("keys %v, secretRef %v, phase %s", status.Keys, status.SecretRef, status.Phase)
	}
	expectConditions(t, status, "Ready=False Minting", "Active=False Minting", "Reconciling=True Minting")
}

func TestAMessageThatDiffersInNumbersAloneIsNoNews(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled()}
	o.APIKey.Status = lifecycle.Failed(o, failure("exceeded quota, used: secrets=3"), now)
	if diff := cmp.Diff(o.APIKey.Status, lifecycle.Failed(o, failure("exceeded quota, used: secrets=14"), now)); diff != "" {
		t.Errorf("status (-before +after):\n%s", diff)
	}
	if got := readyMessage(t, lifecycle.Failed(o, failure("exceeded quota, used: pods=3"), now)); got != "exceeded quota, used: pods=3" {
		t.Errorf("another message is %q", got)
	}
}

func TestAFailureStaysReportedWhenTheSecretGoesMeanwhile(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Secret: owned("active")}
	o.APIKey.Status = lifecycle.Failed(o, failure("down"), now)
	o.Secret = in(lifecycle.SecretAbsent)
	expectConditions(t, lifecycle.Announced(o, "new", "new", now), "Ready=False RequestFailed", "Active=False RequestFailed", "Reconciling=True RequestFailed")
}

func TestUnknownPoliciesLeaveWhatTheyHaveMeantSoFar(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(), Policies: policies(t, "expiry: {maximum: 1h}"), Secret: owned("active")}
	o.APIKey.Status = lifecycle.Failed(o, failure("down"), now)
	known := o.APIKey.Status
	o.APIKey.Generation++
	o.Policies, o.PoliciesUnknown = nil, true
	if diff := cmp.Diff(known, lifecycle.Failed(o, failure("down"), now)); diff != "" {
		t.Errorf("status (-known +unknown):\n%s", diff)
	}
	o.APIKey.Spec.ValidFor = "48h" // what spec says counts in any case
	if got := lifecycle.Failed(o, failure("down"), now).ExpiresAt; got == nil || !got.Equal(at(created.Add(48*time.Hour))) {
		t.Errorf("expiresAt %v", got)
	}
	o.APIKey.Spec.Revoked = true
	if closed := lifecycle.Closed(o, now); closed.Phase != v1alpha1.PhaseRevoked || closed.ObservedGeneration != o.APIKey.Generation {
		t.Errorf("phase %s, observed generation %d", closed.Phase, closed.ObservedGeneration)
	}
}
