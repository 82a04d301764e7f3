// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// claimDeadline returns the time before which a key that is drawn now has to be claimed; nil if its Secret stays.
func claimDeadline(apikey *v1alpha1.APIKey, now time.Time) *metav1.Time {
	if !apikey.DeliversOnce() {
		return nil
	}

	return v1alpha1.StorableTime(now.Add(apikey.ClaimPeriod()))
}

// unclaimed reports whether the claim deadline of the active key has passed. An expiry that comes first ends the key as expired.
func unclaimed(o Observed, now time.Time) bool {
	deadline, expiry := policy.ClaimDeadline(o.APIKey), effectiveExpiry(o)

	return reached(deadline, now) && (expiry == nil || deadline.Before(expiry))
}

// claimed reports whether the active key was claimed, so that no Secret holds it. Of two active records one is forged, and no Secret says
// which one, so neither counts.
func claimed(o Observed) bool {
	if !o.APIKey.DeliversOnce() || o.APIKey.Status.ClaimedAt == nil {
		return false
	}
	active := 0
	for _, r := range accounted(o) {
		if r.State == v1alpha1.KeyActive {
			active++
		}
	}

	return active == 1
}

// claimRequested reports whether the claim annotation names the active key, and the key was not claimed yet.
func claimRequested(apikey *v1alpha1.APIKey) bool {
	active := activeRecord(apikey.Status.Keys)

	return apikey.DeliversOnce() && apikey.Status.ClaimedAt == nil && active != nil && apikey.Annotations[v1alpha1.ClaimAnnotation] == active.ID
}

// whenClaimed acts on a claim of the key in the Secret. If the Secret is gone, it was deleted, which is a rotation.
func whenClaimed(o Observed, _ time.Time) (Plan, bool) {
	return Plan{Action: Claim}, claimRequested(o.APIKey) && holds(o, v1alpha1.KeyActive)
}

// whenCopyLeft deletes the Secret of a claimed key: the copy that was claimed, or whatever is controlled by the APIKey in its place. A
// Secret with other content stays while a new key is due, because that replaces the content under the precondition of its version, and
// so makes writes in flight fail.
func whenCopyLeft(o Observed, now time.Time) (Plan, bool) {
	if !claimed(o) {
		return Plan{}, false
	}
	switch o.Secret.State {
	case SecretUnread: // the precondition names this version, so only records that it has to account for need a read
		if o.Unvouched {
			return Plan{Action: Read}, o.APIKey.Status.SecretRef != nil
		}

		return Plan{Action: Discard}, o.APIKey.Status.SecretRef != nil
	case SecretOwned:
		plan := Plan{Action: Discard, Confirm: true}
		if due(o, now) { // no watch delivers the deletion of a copy without the label of the operator
			plan.RetryAfter = fenceRetry
		}

		return plan, holds(o, v1alpha1.KeyActive) || !due(o, now)
	default:
		return Plan{}, false
	}
}

// Claimed returns the status after the claim of the key in the Secret, before the Secret is deleted. It makes the key independent of the
// Secret, so a crash before the deletion leaves a key that works and a copy that the next attempt deletes.
func Claimed(o Observed, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys, s.SecretRef, s.ClaimedAt = valid(o, now), o.Secret.Ref.DeepCopy(), v1alpha1.StorableTime(now)
	for i := range s.Keys {
		if s.Keys[i].State == v1alpha1.KeyActive {
			s.Keys[i].ClaimDeadline = nil
		}
	}
	inPlace(&s, o, now)

	return s
}

// Accounted returns the status without the records that the Secret does not account for. The copy of a claimed key is the last object that
// accounts for any.
func Accounted(o Observed, now time.Time) v1alpha1.APIKeyStatus {
	s := statusOf(o.APIKey)
	s.Keys = valid(o, now)

	return s
}

// Messages about the delivery of a key. They contain no time and no counter, as those of the conditions.
const (
	messageAwaiting    = "The Secret holds the active key until the key is claimed."
	messageTaken       = "The key was claimed: it works, and no copy of it is in the cluster."
	messageTaking      = "The key was claimed and works; its Secret is being deleted."
	messageCopyLingers = "The key was claimed and works, but a copy is left: "
	messageNotClaimed  = "The key was not claimed in time: it is refused for good and its Secret deleted; create a new APIKey for a new key."
	messageKeeps       = " The annotation " + v1alpha1.ClaimAnnotation + " is ignored, because spec.secret.delivery is not Once."
	messageOtherClaim  = " The annotation " + v1alpha1.ClaimAnnotation + " is ignored, because its value is not the id of the active key."
)

// delivered returns the reason and the message for an active key.
func delivered(s *v1alpha1.APIKeyStatus, o Observed) (reason, message string) {
	switch {
	case !o.APIKey.DeliversOnce():
		return v1alpha1.ReasonMinted, messageMinted
	case s.ClaimedAt == nil:
		return v1alpha1.ReasonAwaitingClaim, messageAwaiting
	case s.SecretRef != nil:
		return v1alpha1.ReasonClaimed, messageTaking
	default:
		return v1alpha1.ReasonClaimed, messageTaken
	}
}

// ignoredClaim returns the sentence about a claim annotation that claims nothing, or "".
func ignoredClaim(s *v1alpha1.APIKeyStatus, o Observed) string {
	value, active := o.APIKey.Annotations[v1alpha1.ClaimAnnotation], activeRecord(s.Keys)
	switch {
	case value == "":
		return ""
	case !o.APIKey.DeliversOnce():
		return messageKeeps
	case active == nil || active.ID != value:
		return messageOtherClaim
	default:
		return ""
	}
}

// neverClaimed reports whether a Revoked APIKey has ended because its key was not claimed.
func neverClaimed(s *v1alpha1.APIKeyStatus, apikey *v1alpha1.APIKey) bool {
	return s.Phase == v1alpha1.PhaseRevoked && apikey.DeliversOnce() && s.ClaimedAt == nil && !apikey.Spec.Revoked && apikey.DeletionTimestamp.IsZero()
}
