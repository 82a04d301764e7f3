// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// settleTime is after how long without faults everything has to be as declared: the delay of an attempt after a change of status (1 minute)
// and of a check (2 seconds), and the longest back-off (20 seconds).
const settleTime = 90 * time.Second

// maxPasses bounds the passes of an operator until it has settled.
const maxPasses = 200

// calm ends all faults, lets one operator work and checks what has to hold then.
func (w *world) calm() {
	w.skews = [2]time.Duration{}
	for len(w.inFlight) > 0 {
		w.land()
	}
	if len(w.operators) > 1 {
		ends := w.pick(2)
		w.operators[ends].die()
		w.operators = append(w.operators[:ends:ends], w.operators[ends+1:]...)
	}
	w.tracef("the faults are over")
	o := w.operators[0]
	if w.stepped {
		o.apikeys.resync()
	}
	w.settle(o, w.now.Add(settleTime))
	w.oracle.settled()
	w.rest(o)
	if w.oracle.violation == nil {
		w.restart(0, 0)
		// The operator drops keys that were announced and not handed out, and reports what no watch delivered.
		w.rested("after a start", w.operators[0], len(names), w.oracle.blocked()+w.oracle.unwatched())
	}
}

// rest checks that an operator with nothing to do makes no call.
func (w *world) rest(o *operator) {
	o.apikeys.resync()
	o.secrets.resync()
	w.rested("after a resync", o, 0, 0)
}

// rested lets an operator work for a while in which it may make some calls, beside those about a Secret in the way.
func (w *world) rested(when string, o *operator, reads, written int) {
	calls, writes := o.calls, o.writes
	w.settle(o, w.now.Add(3*time.Second))
	if o.writes > writes+written || o.calls-calls > reads+written+2*w.oracle.blocked() {
		w.oracle.broken("a settled key makes no call", "%s the operator made %d calls, %d of them writes", when, o.calls-calls, o.writes-writes)
	}
}

// blocked returns how many APIKeys wait for a Secret of others, or one that is being deleted. The operator reads such a Secret again and again.
func (o *oracle) blocked() int {
	n := 0
	for _, name := range names {
		if apikey, err := o.world.server.APIKeys.Get(name); err == nil && waits(apikey) {
			n++
		}
	}

	return n
}

// unwatched returns how many writes an operator makes at a start for Secrets that no watch delivers, because a user has removed the label of the
// operator. Where guardrails are in force no user can. It reads such a Secret and reports it, or confirms and deletes it: a copy of a claimed key.
func (o *oracle) unwatched() int {
	const reported, deleted = 1, 2
	n := 0
	for _, name := range o.world.server.Secrets.Names() {
		secret, err := o.world.server.Secrets.Get(name)
		if err != nil || watchedSecret(secret) {
			continue
		}
		if k, err := o.world.server.APIKeys.Get(name); err == nil && k.Status.ClaimedAt != nil && o.secretOf(k) != nil {
			n += deleted
		} else {
			n += reported
		}
	}

	return n
}

// waits reports whether an APIKey waits for a Secret that is in its way.
func waits(k *v1alpha1.APIKey) bool {
	ready := meta.FindStatusCondition(k.Status.Conditions, v1alpha1.ConditionReady)

	return ready != nil && (ready.Reason == v1alpha1.ReasonSecretConflict || ready.Reason == v1alpha1.ReasonSecretTerminating)
}

// settle lets an operator work until nothing is due before an end.
func (w *world) settle(o *operator, end time.Time) {
	for range maxPasses {
		w.server.CollectGarbage()
		for o.apikeys.behind() > 0 {
			o.apikeys.deliver()
		}
		for o.secrets.behind() > 0 {
			o.secrets.deliver()
		}
		items := o.queue.items()
		switch next, waits := o.queue.next(); {
		case w.oracle.violation != nil:
			return
		case len(o.passes) > 0:
			w.finish(o, o.passes[0])
		case len(items) > 0:
			w.finish(o, o.begin(items[0]))
		case !waits || next.After(end):
			return
		default:
			w.now = maxTime(w.now, next)
		}
	}
	w.oracle.broken("the operator settles", "after %d passes it still has work", maxPasses)
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}

	return a
}

// settled checks what has to hold once an operator has worked without faults.
func (o *oracle) settled() {
	expected := map[string]bool{}
	for _, name := range names {
		if apikey, err := o.world.server.APIKeys.Get(name); err == nil {
			o.settledAPIKey(apikey, expected)
		}
	}
	for _, k := range o.drawn {
		if reason := o.verdict(k.digest); reason == access.Allowed && !expected[k.text] {
			o.broken("a dead key is refused", "the verifier accepts %s after everything has settled", k.digest.ID())
		}
	}
	o.settledPlanted(expected)
	for _, name := range o.world.server.Secrets.Names() {
		o.settledSecret(name)
	}
}

// settledSecret checks that a Secret is not left over.
func (o *oracle) settledSecret(name string) {
	secret, err := o.world.server.Secrets.Get(name)
	if err != nil || secret.DeletionTimestamp != nil || !watchedSecret(secret) {
		return // the operator does not look for a Secret without its label
	}
	for _, owner := range secret.OwnerReferences {
		apikey, err := o.world.server.APIKeys.Get(owner.Name)
		if err == nil && apikey.UID == owner.UID && final(apikey) && apikey.SecretName() == name {
			o.broken("the Secret of an ended key is deleted", "%s is left of an APIKey that is %s", name, apikey.Status.Phase)
		}
	}
}

// over reports whether an APIKey has ended, whatever its phase says.
func (o *oracle) over(k *v1alpha1.APIKey) bool {
	return k.Spec.Revoked || k.DeletionTimestamp != nil || reached(policy.EnforcedExpiry(k), o.world) ||
		reached(policy.ClaimDeadline(k), o.world)
}

// settledAPIKey checks an APIKey, and collects the keys that may be accepted.
func (o *oracle) settledAPIKey(k *v1alpha1.APIKey, expected map[string]bool) {
	if k.Status.ObservedGeneration != k.Generation {
		o.broken("the spec is acted on", "%s has generation %d, and the status is of %d", k.Name, k.Generation, k.Status.ObservedGeneration)
	}
	if o.over(k) && !final(k) {
		o.broken("an end is recorded", "%s has ended and is %s", k.Name, k.Status.Phase)
	}
	if final(k) {
		return
	}
	if k.DeliversOnce() && k.Status.ClaimedAt != nil {
		o.settledClaim(k)
	} else if secret := o.secretOf(k); secret != nil {
		o.settledKey(k, o.held[secret.ResourceVersion])
	} else {
		o.settledWithout(k)
	}
	o.settledSchedule(k)
	o.expect(k, expected)
}

// settledWithout checks an APIKey without a Secret of its own: a Secret of others has to be in the way, or one that is being deleted.
func (o *oracle) settledWithout(k *v1alpha1.APIKey) {
	stored, err := o.world.server.Secrets.Get(k.SecretName())
	if err != nil || ownedBy(stored, k.Name) && stored.DeletionTimestamp == nil {
		o.broken("a living APIKey has a Secret", "%s has none", k.Name)
	}
}

// settledKey checks an APIKey whose Secret holds a key.
func (o *oracle) settledKey(k *v1alpha1.APIKey, held string) {
	if active(k.Status.Keys) != held || count(k.Status.Keys, v1alpha1.KeyActive) != 1 || count(k.Status.Keys, v1alpha1.KeyPending) != 0 {
		o.broken("the Active record is of the key in the Secret", "%s: %d records", k.Name, len(k.Status.Keys))
	}
	if o.byDigest[held] == nil {
		o.broken("a key is drawn by the operator", "the Secret of %s holds another value", k.Name)
	}
}

// expect collects the keys of an APIKey that may be accepted: the one in the Secret, and replaced ones until the ends of their overlaps.
func (o *oracle) expect(k *v1alpha1.APIKey, expected map[string]bool) {
	for i := range k.Status.Keys {
		r := &k.Status.Keys[i]
		expected[r.Digest] = o.byDigest[r.Digest] != nil
	}
}
