// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Reasons of events, beside those that a condition has too.
const (
	// eventRotated: a key was replaced.
	eventRotated = "Rotated"
	// eventResumed: a suspended key is accepted again.
	eventResumed = "Resumed"
	// eventRotationIgnored: the rotate annotation was set to a value that was acted on before.
	eventRotationIgnored = "RotationIgnored"
	// eventInvalidOverlap: a rotate annotation that cannot be read was acted on with the overlap of spec.
	eventInvalidOverlap = "InvalidRotateOverlap"
	// eventSecretModified: the Secret held content that the operator had not written.
	eventSecretModified = "SecretModified"
	// eventStatusModified: the status held records that the operator had not written.
	eventStatusModified = "StatusModified"
)

// Actions of events: what the operator did or tried to do.
const (
	actionMint   = "Mint"
	actionRotate = "Rotate"
	actionEnd    = "End"
	actionAdmit  = "Admit"
	actionBlock  = "Block"
	actionCheck  = "Check"
	actionClaim  = "Claim"
)

// event is an event about an APIKey.
type event struct {
	kind, reason, action, note string
	// limited events are subject to the rate limit: there are many when many keys are minted at once, and status carries the same.
	limited bool
}

// eventsOf returns the events for a change of status. They follow from the change alone, so the operator whose write succeeded
// emits each event once.
func eventsOf(before, after *v1alpha1.APIKey) []event {
	var events []event
	if last := after.Status.LastRotation; last != nil && rotated(before, after) {
		events = append(events, rotationEvents(before, after, last.Trigger)...)
	}
	if lifecycle.IgnoredRequest(before, after) {
		events = append(events, event{
			kind: corev1.EventTypeWarning, reason: eventRotationIgnored, action: actionRotate,
			note: fmt.Sprintf("Nothing was rotated, because this value of the annotation %s was acted on before. Set a value that was not used yet",
				v1alpha1.RotateAnnotation),
		})
	}
	events = append(events, claimEvents(before, after)...)
	if from, to := before.Status.Phase, after.Status.Phase; from != to {
		events = append(events, phaseEvents(after, from)...)
	}
	if problem := problemOf(after); problem != nil && isNewProblem(problemOf(before), problem) {
		events = append(events, event{kind: corev1.EventTypeWarning, reason: problem.Reason, action: actionBlock, note: problem.Message})
	}
	events = append(events, expiryEvents(before, after)...)
	if c := dispute(after); c != nil && dispute(before) == nil {
		events = append(events, event{kind: corev1.EventTypeWarning, reason: c.Reason, action: actionCheck, note: c.Message})
	}
	if c := violation(after); c != nil && violation(before) == nil && !hasReason(events, c.Reason) {
		events = append(events, event{kind: corev1.EventTypeWarning, reason: c.Reason, action: actionCheck, note: c.Message})
	}

	return events
}

// isNewProblem reports whether a problem differs from the one before. RequestRefused and RequestFailed count as the same problem: they
// can alternate, for example while an admission plugin shuts down.
func isNewProblem(before, after *metav1.Condition) bool {
	requests := []string{v1alpha1.ReasonRequestRefused, v1alpha1.ReasonRequestFailed}

	return before == nil || before.Reason != after.Reason &&
		(!slices.Contains(requests, before.Reason) || !slices.Contains(requests, after.Reason))
}

// hasReason reports whether one of the events has a reason. An APIKey that a policy denies its first key gets one event, not two.
func hasReason(events []event, reason string) bool {
	return slices.ContainsFunc(events, func(e event) bool { return e.reason == reason })
}

// dispute returns the Disputed condition, or nil.
func dispute(apikey *v1alpha1.APIKey) *metav1.Condition {
	return meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionDisputed)
}

// violation returns the Compliant condition of an APIKey that does not meet a policy, or nil.
func violation(apikey *v1alpha1.APIKey) *metav1.Condition {
	compliant := meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionCompliant)
	if compliant == nil || compliant.Status != metav1.ConditionFalse {
		return nil
	}

	return compliant
}

// rotated reports whether another key became the active one.
func rotated(before, after *v1alpha1.APIKey) bool {
	return activeID(after) != "" && activeID(before) != activeID(after)
}

// activeID returns the id of the active key, or "".
func activeID(apikey *v1alpha1.APIKey) string {
	for i := range apikey.Status.Keys {
		if apikey.Status.Keys[i].State == v1alpha1.KeyActive {
			return apikey.Status.Keys[i].ID
		}
	}

	return ""
}

func rotationEvents(before, apikey *v1alpha1.APIKey, trigger v1alpha1.RotationTrigger) []event {
	if trigger == v1alpha1.TriggerCreated {
		return []event{{
			kind: corev1.EventTypeNormal, reason: v1alpha1.ReasonMinted, action: actionMint, limited: true,
			note: fmt.Sprintf("Secret %q holds key %s%s", apikey.SecretName(), activeID(apikey), untilClaimed(apikey)),
		}}
	}
	events := []event{{
		kind: corev1.EventTypeNormal, reason: eventRotated, action: actionRotate,
		note: fmt.Sprintf("Secret %q holds the new key %s%s (%s)%s", apikey.SecretName(), activeID(apikey), untilClaimed(apikey), trigger,
			endOfOld(before, apikey)),
	}}
	if request, actedOn := lifecycle.RequestActedOn(apikey); actedOn {
		if _, err := policy.ParseRotateRequest(request); err != nil {
			events = append(events, event{
				kind: corev1.EventTypeWarning, reason: eventInvalidOverlap, action: actionRotate,
				note: fmt.Sprintf("The key was rotated with the overlap of spec.rotation, because %s", err),
			})
		}
	}
	if trigger == v1alpha1.TriggerSecretModified {
		events = append(events, event{
			kind: corev1.EventTypeWarning, reason: eventSecretModified, action: actionRotate,
			note: fmt.Sprintf("Secret %q held content that this operator did not write: the Secret was edited, or restored from a backup. "+
				"A new key was minted", apikey.SecretName()),
		})
	}

	return events
}

// claimEvents returns the event about a claim, if the change of status is one.
func claimEvents(before, after *v1alpha1.APIKey) []event {
	if after.Status.ClaimedAt == nil || before.Status.ClaimedAt != nil {
		return nil
	}

	return []event{{
		kind: corev1.EventTypeNormal, reason: v1alpha1.ReasonClaimed, action: actionClaim,
		note: fmt.Sprintf("Key %s was claimed and keeps working; Secret %q is deleted", activeID(after), after.SecretName()),
	}}
}

// untilClaimed returns the part of a note that says until when the key has to be claimed, or "" if its Secret stays.
func untilClaimed(apikey *v1alpha1.APIKey) string {
	deadline := policy.ClaimDeadline(apikey)
	if deadline == nil {
		return ""
	}

	return ", to be claimed before " + deadline.UTC().Format(time.RFC3339)
}

// endOfOld returns the part of a note that says until when the replaced key works, or "" if no key was replaced.
func endOfOld(before, after *v1alpha1.APIKey) string {
	old := activeID(before)
	if old == "" {
		return ""
	}
	i := slices.IndexFunc(after.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.ID == old && r.NotAfter != nil })
	if i < 0 {
		return fmt.Sprintf("; the old key %s has stopped", old)
	}
	end := after.Status.Keys[i].NotAfter
	if expiry := after.Status.ExpiresAt; expiry != nil && expiry.Before(end) {
		end = expiry
	}

	return fmt.Sprintf("; the old key %s works until %s", old, end.UTC().Format(time.RFC3339))
}

func phaseEvents(apikey *v1alpha1.APIKey, from v1alpha1.Phase) []event {
	switch apikey.Status.Phase {
	case v1alpha1.PhaseSuspended:
		return []event{
			{kind: corev1.EventTypeNormal, reason: v1alpha1.ReasonSuspended, action: actionAdmit, note: "The key is refused until spec.suspend is false"},
		}
	case v1alpha1.PhaseActive:
		if from == v1alpha1.PhaseSuspended {
			return []event{{kind: corev1.EventTypeNormal, reason: eventResumed, action: actionAdmit, note: "The key is accepted again"}}
		}
	case v1alpha1.PhaseRevoked:
		if active := meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionActive); active != nil && active.Reason == v1alpha1.ReasonNotClaimed {
			return []event{{kind: corev1.EventTypeWarning, reason: active.Reason, action: actionEnd, note: active.Message}}
		}

		return []event{{kind: corev1.EventTypeNormal, reason: v1alpha1.ReasonRevoked, action: actionEnd, note: "The key is refused for good"}}
	case v1alpha1.PhaseExpired:
		return []event{{kind: corev1.EventTypeNormal, reason: v1alpha1.ReasonExpired, action: actionEnd, note: "The key has expired and is refused for good"}}
	case v1alpha1.PhasePending: // the conditions say why
	}

	return nil
}

// problemOf returns the Ready condition of an APIKey that has a problem to be reported by an event, or nil.
func problemOf(apikey *v1alpha1.APIKey) *metav1.Condition {
	ready := meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse {
		return nil
	}
	switch ready.Reason {
	case v1alpha1.ReasonSecretConflict, v1alpha1.ReasonRequestRefused, v1alpha1.ReasonRequestFailed, v1alpha1.ReasonPolicyDenied,
		v1alpha1.ReasonGuardrailsMissing, v1alpha1.ReasonSecretTerminating:
		return ready
	default:
		return nil
	}
}
