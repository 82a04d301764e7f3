// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// conflictRetry is how often a Secret that is not ours is looked at again. Most are of another type than those that
// are watched, so no event tells when one is gone.
const conflictRetry = 30 * time.Second

// behindRetry is how long the watch may take to deliver the operator's own write before the Secret is read after all:
// an object that came and went while the watch was interrupted is never delivered.
const behindRetry = 5 * time.Second

// fenceRetry is how soon to go on after a fence, which no event follows that would be acted on at once.
const fenceRetry = 100 * time.Millisecond

// check is one step of a decision: it decides, or it leaves the decision to those after it.
type check struct {
	name   string
	decide func(Observed, time.Time) (Plan, bool)
}

// checks are asked in this order, and the first that decides wins.
func checks() []check {
	return []check{
		{"watch behind", whenBehind},     // deciding on what we ourselves have replaced would do it twice
		{"ended", whenEnded},             // before everything that mints
		{"unread", whenUnread},           // everything below needs to know what the Secret holds
		{"foreign", whenForeign},         // before everything that writes
		{"terminating", whenTerminating}, // likewise: what is written to it is lost
		{"announced", whenAnnounced},     // before "due": a key that is handed out already must not be replaced by another
		{"denied", whenDenied},           // before all that is done in order to mint, such as a fence
		{"unguarded", whenUnguarded},     // likewise, and after "denied": that is for the author of the key to put right
		{"crowded", whenCrowded},         // before "due": there must be room for another record
		{"due", whenDue},                 //
		{"out of shape", whenOutOfShape}, // needs a Secret that holds the active key
		{"settled", whenSettled},         // always decides
	}
}

// Decide says what to do about a key. It does not change what it is given.
func Decide(o Observed, now time.Time) Plan {
	for _, c := range checks() {
		if plan, decided := c.decide(o, now); decided {
			plan.Check = c.name

			return plan
		}
	}

	return Plan{} // not reached: the last check always decides
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
		return Plan{Action: Delete}, true // of this very version: it needs no read
	default:
		return Plan{Action: Close}, true
	}
}

func whenUnread(o Observed, now time.Time) (Plan, bool) {
	unread := o.Secret.State == SecretUnread || o.Secret.State == SecretChanged

	return Plan{Action: Read}, unread && (o.Secret.State == SecretChanged || unsettled(o.APIKey, now))
}

func whenForeign(o Observed, _ time.Time) (Plan, bool) {
	return Plan{
		Action: Block, Reason: v1alpha1.ReasonSecretConflict, Message: o.Secret.Conflict, RetryAfter: conflictRetry,
	}, o.Secret.State == SecretForeign
}

func whenTerminating(o Observed, _ time.Time) (Plan, bool) {
	return Plan{
		Action: Block, Reason: v1alpha1.ReasonSecretTerminating, Message: messageStopped + lingering(o) + messageNameFree, RetryAfter: conflictRetry,
	}, o.Secret.State == SecretTerminating
}

func whenAnnounced(o Observed, now time.Time) (Plan, bool) {
	record := heldRecord(o, v1alpha1.KeyPending)
	if record == nil {
		return Plan{}, false
	}

	return Plan{Action: Promote, Trigger: announcedRotation(o, record, now).Trigger}, true
}

// HoldsBack says whether something stands in the way of handing out the key that was announced for an observation.
// It is for a second look right before that, at policies and guardrails as they are by then.
func HoldsBack(o Observed, now time.Time) (Plan, bool) {
	o.Unvouched = false // what nothing vouches for was dealt with before, or is by the next pass
	for _, decide := range []func(Observed, time.Time) (Plan, bool){whenDenied, whenUnguarded} {
		if plan, decided := decide(o, now); decided {
			return plan, true
		}
	}

	return Plan{}, false
}

// whenDenied holds back the first key only. A living key that does not meet a policy is reported, and can be replaced:
// it may have leaked.
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

// heldBack is the plan for a key that must not be minted. Announced keys that nobody vouches for are fenced off first:
// minting would end them, and verifiers accept them.
func heldBack(o Observed, reason, message string) Plan {
	if o.Unvouched && hasPending(o.APIKey.Status.Keys) {
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

// due says whether a new key is needed: the Secret holds none of ours, a rotation was interrupted, or one is asked for.
func due(o Observed, now time.Time) bool {
	switch o.Secret.State {
	case SecretAbsent:
		return true
	case SecretOwned:
		return !holds(o, v1alpha1.KeyActive) || hasPending(o.APIKey.Status.Keys) ||
			rotationRequested(o.APIKey) || reached(rotationDue(o.APIKey), now)
	default:
		return false
	}
}

// unsettled says whether the APIKey by itself shows that there may be something to do with the Secret.
func unsettled(key *v1alpha1.APIKey, now time.Time) bool {
	return key.Generation != key.Status.ObservedGeneration ||
		activeRecord(key.Status.Keys) == nil || hasPending(key.Status.Keys) ||
		len(unlapsed(key.Status.Keys, now)) != len(key.Status.Keys) ||
		rotationRequested(key) || reached(rotationDue(key), now) || !isReady(key) && !reportsDispute(key)
}

// orphans says whether the APIKey is being deleted in a way that leaves its Secret, as kubectl delete --cascade=orphan does.
func orphans(key *v1alpha1.APIKey) bool {
	return !key.DeletionTimestamp.IsZero() && slices.Contains(key.Finalizers, metav1.FinalizerOrphanDependents)
}

// PreviousIsStale says whether the Secret holds a previous key that no verifier accepts any more.
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
