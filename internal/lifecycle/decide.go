// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// conflictRetry is how often the operator checks a Secret in conflict again. Most are of a type that it does not watch, so no event
// reports their deletion.
const conflictRetry = 30 * time.Second

// behindRetry is how long the watch may take to deliver the operator's own write before the operator reads the Secret instead:
// the watch never delivers an object that was created and deleted during an interruption.
const behindRetry = 5 * time.Second

// fenceRetry is how soon the operator continues after a fence, or after it has promoted a key in a Secret that may have to change. The
// events that follow are delayed.
const fenceRetry = 100 * time.Millisecond

// check is one step of a decision. It returns a plan and true, or leaves the decision to the checks after it.
type check struct {
	name   string
	decide func(Observed, time.Time) (Plan, bool)
	// holdsBack makes HoldsBack evaluate the check again, right before a key is handed out.
	holdsBack bool
}

// checks returns the checks in evaluation order; the first check that decides wins.
//
// The reasons for the order:
//   - "watch behind" comes first: a decision on a Secret that the operator has replaced since would repeat its work.
//   - "ended" precedes every check that mints.
//   - "unread" precedes every check that depends on the content of the Secret.
//   - "foreign" and "terminating" precede every write: another client owns the Secret, or a write to it would be lost.
//   - "announced" precedes "due": a key that was handed out must not be replaced by another.
//   - "announced" precedes "claimed", too: the claim is of the key that the announced one replaces.
//   - "claimed" and "copy left" precede all that may block, because a copy must not stay longer than it has to. A copy that a write in
//     flight may still replace, such as a fence, stays until "due" has decided; a claimed key whose Secret is gone is due only on request.
//   - "denied" and "unguarded" precede the work that prepares minting, such as a fence. "denied" comes first, because the author of
//     the APIKey can correct it.
//   - "crowded" precedes "due", which needs room for another record.
//   - "out of shape" needs a Secret that holds the active key, so every reason to mint precedes it.
//   - "settled" always decides.
func checks() []check {
	return []check{
		{name: "watch behind", decide: whenBehind},
		{name: "ended", decide: whenEnded},
		{name: "unread", decide: whenUnread},
		{name: "foreign", decide: whenForeign},
		{name: "terminating", decide: whenTerminating},
		{name: "announced", decide: whenAnnounced},
		{name: "claimed", decide: whenClaimed},
		{name: "copy left", decide: whenCopyLeft},
		{name: "denied", decide: whenDenied, holdsBack: true},
		{name: "unguarded", decide: whenUnguarded, holdsBack: true},
		{name: "crowded", decide: whenCrowded},
		{name: "due", decide: whenDue},
		{name: "out of shape", decide: whenOutOfShape},
		{name: "settled", decide: whenSettled},
	}
}

// Decide returns the plan for an APIKey. It changes nothing in the observation.
func Decide(o Observed, now time.Time) Plan {
	for _, c := range checks() {
		if plan, decided := c.decide(o, now); decided {
			plan.Check = c.name

			return plan
		}
	}

	return Plan{} // unreachable: the last check always decides
}

func whenBehind(o Observed, _ time.Time) (Plan, bool) {
	return Plan{Action: Ignore, RetryAfter: behindRetry}, o.Secret.State == SecretBehind
}

func whenEnded(o Observed, now time.Time) (Plan, bool) {
	_, ended := Ended(o, now)
	switch {
	case !ended:
		return Plan{}, false
	case orphans(o.APIKey):
		return Plan{Action: Close}, true
	case o.Secret.State == SecretChanged:
		return Plan{Action: Read}, true
	case o.Secret.State == SecretOwned, o.Secret.State == SecretUnread && o.APIKey.Status.SecretRef != nil:
		return Plan{Action: Delete, Confirm: !endedForGood(o.APIKey)}, true // the precondition names this version, so no read is needed
	default:
		return Plan{Action: Close}, true
	}
}

func whenUnread(o Observed, now time.Time) (Plan, bool) {
	unread := o.Secret.State == SecretUnread || o.Secret.State == SecretChanged

	return Plan{Action: Read}, unread && (o.Secret.State == SecretChanged || unsettled(o.APIKey, now))
}

// whenForeign leaves a Secret of another owner alone. Another Secret in the place of a claimed key's is in the way of the next key only.
func whenForeign(o Observed, now time.Time) (Plan, bool) {
	return Plan{
		Action: Block, Reason: v1alpha1.ReasonSecretConflict, Message: o.Secret.Conflict, RetryAfter: conflictRetry,
	}, o.Secret.State == SecretForeign && (!claimed(o) || !secretGone(o) || requested(o, now))
}

func whenTerminating(o Observed, _ time.Time) (Plan, bool) {
	message := messageStopped + lingering(o) + messageNameFree
	if claimed(o) {
		message = messageCopyLingers + lingering(o) + "."
	}

	return Plan{
		Action: Block, Reason: v1alpha1.ReasonSecretTerminating, Message: message, RetryAfter: conflictRetry,
	}, o.Secret.State == SecretTerminating
}

// whenAnnounced leaves a key alone whose claim deadline has passed before it was promoted: verifiers refuse it, so another is minted.
func whenAnnounced(o Observed, now time.Time) (Plan, bool) {
	record := heldRecord(o, v1alpha1.KeyPending)
	if record == nil || reached(record.ClaimDeadline, now) {
		return Plan{}, false
	}

	plan := Plan{
		Action: Promote, Trigger: announcedRotation(o, record, now).Trigger, Fence: announcedAfter(o.APIKey.Status.Keys, record.Digest),
	}
	if PromotedRef(o).ResourceVersion == unexamined {
		plan.RetryAfter = fenceRetry
	}

	return plan, true
}

// HoldsBack returns a plan to block if an announced key must not be handed out. The caller observes policies and guardrails again right
// before handing out, because they can have changed since Decide.
func HoldsBack(o Observed, now time.Time) (Plan, bool) {
	o.Unvouched, o.Undrawn = false, nil // Decide has handled records that this operator does not know, or the next pass will
	for _, c := range checks() {
		if !c.holdsBack {
			continue
		}
		if plan, decided := c.decide(o, now); decided {
			plan.Check = c.name

			return plan, true
		}
	}

	return Plan{}, false
}

// whenDenied holds back the first key only. A living key that fails a policy is reported and can be replaced: it may have leaked.
func whenDenied(o Observed, now time.Time) (Plan, bool) {
	if o.APIKey.Status.LastRotation != nil || !due(o, now) {
		return Plan{}, false
	}
	violations := o.terms().Violations(now)

	return heldBack(o, v1alpha1.ReasonPolicyDenied, listed(violations, " ")), len(violations) > 0
}

func whenUnguarded(o Observed, now time.Time) (Plan, bool) {
	return heldBack(o, v1alpha1.ReasonGuardrailsMissing, messageUnguarded+listed(o.Unguarded, "; ")+"."), len(o.Unguarded) > 0 && due(o, now)
}

// heldBack returns the plan for an APIKey that gets no key. Announced keys that this operator does not know are fenced first, because verifiers
// accept them and no minting will end them.
func heldBack(o Observed, reason, message string) Plan {
	if slices.ContainsFunc(o.APIKey.Status.Keys, unknown(o)) {
		return Plan{Action: Fence, RetryAfter: fenceRetry}
	}

	return Plan{Action: Block, Reason: reason, Message: message}
}

func whenCrowded(o Observed, now time.Time) (Plan, bool) {
	records := remaining(o, now)

	return Plan{Action: Fence, RetryAfter: fenceRetry}, due(o, now) && len(records) >= v1alpha1.MaxKeys && hasPending(records)
}

func whenDue(o Observed, now time.Time) (Plan, bool) {
	return Plan{Action: Mint, Trigger: trigger(o, now)}, due(o, now)
}

func whenOutOfShape(o Observed, now time.Time) (Plan, bool) {
	return Plan{Action: Reshape}, o.Secret.State == SecretOwned && (!o.Secret.InShape || PreviousIsStale(o, now))
}

func whenSettled(Observed, time.Time) (Plan, bool) { return Plan{Action: Settle}, true }

// due reports whether the APIKey needs a new key and its Secret can be written: the Secret does not hold the active key, although that was
// not claimed, or a rotation was requested.
func due(o Observed, now time.Time) bool {
	switch o.Secret.State {
	case SecretAbsent:
		return !claimed(o) || requested(o, now)
	case SecretOwned:
		return !holds(o, v1alpha1.KeyActive) && !claimed(o) || requested(o, now)
	default:
		return false
	}
}

// requested reports whether a rotation was requested, is scheduled for now, or was interrupted.
func requested(o Observed, now time.Time) bool {
	return hasPending(o.APIKey.Status.Keys) || rotationRequested(o.APIKey) || reached(rotationDue(o.APIKey), now)
}

// unsettled reports whether the APIKey alone shows that its Secret may need an action.
func unsettled(apikey *v1alpha1.APIKey, now time.Time) bool {
	return apikey.Generation != apikey.Status.ObservedGeneration ||
		activeRecord(apikey.Status.Keys) == nil || hasPending(apikey.Status.Keys) ||
		len(unlapsed(apikey.Status.Keys, now)) != len(apikey.Status.Keys) ||
		rotationRequested(apikey) || reached(rotationDue(apikey), now) || claimRequested(apikey) || !isReady(apikey) && !reportsDispute(apikey)
}

// orphans reports whether the deletion of the APIKey leaves its Secret, as kubectl delete --cascade=orphan does.
func orphans(apikey *v1alpha1.APIKey) bool {
	return !apikey.DeletionTimestamp.IsZero() && slices.Contains(apikey.Finalizers, metav1.FinalizerOrphanDependents)
}

// PreviousIsStale reports whether the Secret holds a previous key that verifiers no longer accept.
func PreviousIsStale(o Observed, now time.Time) bool {
	if o.Secret.PreviousDigest == "" {
		return false
	}
	for _, record := range valid(o, now) {
		if record.State == v1alpha1.KeyRetiring && record.Digest == o.Secret.PreviousDigest {
			return false
		}
	}

	return true
}
