// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Messages of the conditions. They contain no time and no counter, so that an unchanged state needs no status write.
const (
	messageUnguarded = "No key is minted until the guardrails at the API server are in force: "
	messageMinted    = "The Secret holds the active key."
	messageMinting   = "The first key is being handed out."
	messageRotating  = "The key is being replaced."
	messageSuspended = "spec.suspend is true: verifiers refuse the key until it is false."
	messageRevoked   = "The key is revoked for good and its Secret deleted; create a new APIKey for a new key."
	messageExpired   = "The key has expired for good and its Secret was deleted; create a new APIKey for a new key."
	messageStillborn = "The expiry had passed before a key was handed out, so none was minted; create a new APIKey with a later expiry."
	messageIgnored   = " The rotation asked for since is ignored."
	messageDeleting  = "The APIKey is being deleted: verifiers refuse its key."
	messageWaits     = " The deletion waits for the finalizers "
	messageOrphans   = " Its Secret stays, because the deletion leaves dependents behind; the operator deletes it some time later."
	messageStopped   = "The key has stopped: "
	messageNameFree  = ". A new key is minted when that Secret is gone."
	messageLingers   = "The key is refused for good. "
	messageEnding    = "The key is refused for good; its Secret is being deleted."
	messageLeftOver  = "The key is refused for good, but its Secret could not be deleted yet. "
)

// inPlace reports an APIKey whose key is as declared: Active or Suspended.
func inPlace(s *v1alpha1.APIKeyStatus, o Observed, now time.Time) {
	w := writerFor(s, o, now)
	w.remove(v1alpha1.ConditionReconciling)
	if s.Phase == v1alpha1.PhaseActive && o.Disputes.concern(activeRecord(s.Keys)) {
		message := disputeMessage(o, s.Keys)
		w.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDisputed, message)
		w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, v1alpha1.ReasonDisputed, message)
		w.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDisputed, message)

		return
	}
	w.remove(v1alpha1.ConditionStalled)
	reason, message := delivered(s, o)
	if s.ClaimedAt != nil && s.SecretRef != nil {
		w.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	}
	works := metav1.ConditionTrue
	if s.Phase == v1alpha1.PhaseSuspended {
		reason, message, works = v1alpha1.ReasonSuspended, messageSuspended, metav1.ConditionFalse
	}
	w.set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message+ignoredClaim(s, o))
	w.set(v1alpha1.ConditionActive, works, reason, message)
}

// inProgress reports that a key is being minted. During a rotation Ready does not change, because the old key works until the
// new one does. A failure stays reported until an attempt succeeds; otherwise each attempt would emit events.
func inProgress(s *v1alpha1.APIKeyStatus, o Observed, now time.Time) {
	w := writerFor(s, o, now)
	w.refuseDisputed(o)
	if failing(s) {
		if ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); activeRecord(s.Keys) == nil {
			w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, ready.Reason, ready.Message)
		}

		return
	}
	reason, message := v1alpha1.ReasonRotating, messageRotating
	if activeRecord(s.Keys) == nil {
		reason, message = v1alpha1.ReasonMinting, messageMinting
		w.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
		w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, reason, message)
	}
	w.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	w.remove(v1alpha1.ConditionStalled)
}

// ended reports an APIKey that is Revoked or Expired. A revoked APIKey is as declared; one that has expired or was not claimed is Stalled.
func ended(s *v1alpha1.APIKeyStatus, o Observed, now time.Time) {
	w := writerFor(s, o, now)
	reason, message, ready := endOf(s, o)
	if rotationRequested(o.APIKey) {
		message += messageIgnored
	}
	w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, reason, message)
	if o.Secret.State == SecretTerminating {
		reason, message, ready = v1alpha1.ReasonSecretTerminating, messageLingers+lingering(o)+".", metav1.ConditionFalse
	}
	w.set(v1alpha1.ConditionReady, ready, reason, message)
	switch {
	case reason == v1alpha1.ReasonSecretTerminating, reason == v1alpha1.ReasonDeleting:
		w.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
		w.remove(v1alpha1.ConditionStalled)
	case ready == metav1.ConditionFalse:
		w.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
		w.remove(v1alpha1.ConditionReconciling)
	default:
		w.remove(v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled)
	}
}

// endOf returns how an APIKey has ended, and whether Ready is True.
func endOf(s *v1alpha1.APIKeyStatus, o Observed) (reason, message string, ready metav1.ConditionStatus) {
	switch {
	case orphans(o.APIKey) && s.ClaimedAt == nil:
		return v1alpha1.ReasonDeleting, messageDeleting + messageOrphans, metav1.ConditionFalse
	case !o.APIKey.DeletionTimestamp.IsZero():
		return v1alpha1.ReasonDeleting, messageDeleting + messageWaits + listed(o.APIKey.Finalizers, ", ") + ".", metav1.ConditionFalse
	case neverClaimed(s, o.APIKey):
		return v1alpha1.ReasonNotClaimed, messageNotClaimed, metav1.ConditionFalse
	case s.Phase != v1alpha1.PhaseExpired:
		return v1alpha1.ReasonRevoked, messageRevoked, metav1.ConditionTrue
	case o.APIKey.Status.LastRotation == nil && len(o.APIKey.Status.Keys) == 0:
		return v1alpha1.ReasonExpired, messageStillborn, metav1.ConditionFalse
	default:
		return v1alpha1.ReasonExpired, messageExpired, metav1.ConditionFalse
	}
}

// lingering describes the finalizers that a Secret waits for.
func lingering(o Observed) string {
	return `Secret "` + o.APIKey.SecretName() + `" is being deleted and waits for its finalizers: ` + listed(o.Secret.Finalizers, ", ")
}

// stalled reports an APIKey that needs an action of a user.
func stalled(s *v1alpha1.APIKeyStatus, o Observed, reason, message string, now time.Time) {
	w := notReady(s, o, reason, message, now)
	w.remove(v1alpha1.ConditionReconciling)
	w.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
}

// ending reports an APIKey that has ended and whose Secret is not deleted yet.
func ending(s *v1alpha1.APIKeyStatus, o Observed, now time.Time) {
	w := writerFor(s, o, now)
	reason, _, _ := endOf(s, o)
	w.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, messageEnding)
	w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, reason, messageEnding)
	w.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, messageEnding)
	w.remove(v1alpha1.ConditionStalled)
}

// notReady reports a problem in Ready. Active follows the phase and not the problem: a key that was handed out keeps working while its
// successor is blocked, and verifiers refuse an ended key whatever blocks the operator.
func notReady(s *v1alpha1.APIKeyStatus, o Observed, reason, message string, now time.Time) conditionWriter {
	w := writerFor(s, o, now)
	w.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	if w.refuseDisputed(o) { // setting Active to True first would move its lastTransitionTime at each attempt
		return w
	}
	switch s.Phase {
	case v1alpha1.PhaseActive:
		reason, message = delivered(s, o)
		w.set(v1alpha1.ConditionActive, metav1.ConditionTrue, reason, message)
	case v1alpha1.PhaseSuspended:
		w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, v1alpha1.ReasonSuspended, messageSuspended)
	case v1alpha1.PhaseRevoked:
		if reason, message = v1alpha1.ReasonRevoked, messageRevoked; neverClaimed(s, o.APIKey) {
			reason, message = v1alpha1.ReasonNotClaimed, messageNotClaimed
		}
		w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, reason, message)
	case v1alpha1.PhaseExpired:
		w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, v1alpha1.ReasonExpired, messageExpired)
	default:
		w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, reason, message)
	}

	return w
}

// phaseOf returns the phase for a status. A final phase is reported even if the Secret cannot be deleted yet.
func phaseOf(s *v1alpha1.APIKeyStatus, o Observed, now time.Time) v1alpha1.Phase {
	phase, over := Ended(o, now)
	switch {
	case over:
		return phase
	case activeRecord(s.Keys) == nil:
		return v1alpha1.PhasePending
	case o.APIKey.Spec.Suspend:
		return v1alpha1.PhaseSuspended
	default:
		return v1alpha1.PhaseActive
	}
}

// isReady reports whether Ready is True.
func isReady(apikey *v1alpha1.APIKey) bool {
	return meta.IsStatusConditionTrue(apikey.Status.Conditions, v1alpha1.ConditionReady)
}

// conditionWriter sets the conditions of one status, for one generation at one time.
type conditionWriter struct {
	status     *v1alpha1.APIKeyStatus
	generation int64
	now        metav1.Time
}

// writerFor sets the fields that every report has, and returns the writer for the others. It is the only function that sets
// observedGeneration, expiresAt and rateLimit, always together: the report that first observes a spec fixes its expiry. A new
// generation with the old expiry would make the next pass keep the old expiry for the new spec.
func writerFor(s *v1alpha1.APIKeyStatus, o Observed, now time.Time) conditionWriter {
	_, over := Ended(o, now)
	if over || !o.PoliciesUnknown {
		s.ObservedGeneration = o.APIKey.Generation
	}
	s.ExpiresAt = inRange(recordedExpiry(o, now))
	s.Phase = phaseOf(s, o, now)
	if !over && activeRecord(s.Keys) == nil {
		s.ClaimedAt = nil // the claimed key is gone
	}
	w := conditionWriter{status: s, generation: max(s.ObservedGeneration, 0), now: *v1alpha1.StorableTime(now)}
	if over {
		// The key is refused for good, whatever else there is to say.
		w.remove(v1alpha1.ConditionCompliant, v1alpha1.ConditionDisputed, v1alpha1.ConditionExpiringSoon)
		s.WarnedBefore = ""

		return w
	}
	w.setDisputed(o)
	if o.PoliciesUnknown {
		return w // rateLimit, Compliant and ExpiringSoon keep their last values
	}
	s.RateLimit = o.terms().RateLimit()
	w.setCompliant(o, now)
	w.setExpiringSoon(o, now)

	return w
}

func (w conditionWriter) set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&w.status.Conditions, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		ObservedGeneration: w.generation, LastTransitionTime: w.now,
	})
}

func (w conditionWriter) remove(conditionTypes ...string) {
	for _, conditionType := range conditionTypes {
		meta.RemoveStatusCondition(&w.status.Conditions, conditionType)
	}
}
