// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/policy"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// The rules of delivery Once: a key has to be claimed before its deadline; a claim names the id of the key; the status records it before
// the Secret is deleted; a claimed key works without a Secret until it is replaced or ends.

// deadlineSet checks the claim deadline in the record of a new key, which counts from when the key was drawn.
func (o *oracle) deadlineSet(apikey *v1alpha1.APIKey, r *v1alpha1.KeyRecord) {
	const exactness = 2 * time.Second
	k := o.byDigest[r.Digest]
	switch {
	case !apikey.DeliversOnce():
		if r.ClaimDeadline != nil {
			o.broken("only delivery Once has a deadline", "the key %s of %s has one", r.ID, apikey.Name)
		}
	case r.ClaimDeadline == nil || r.ClaimDeadline.Sub(o.world.acting.clock.Add(apikey.ClaimPeriod())).Abs() > exactness:
		o.broken("a key that is delivered once has a deadline", "that of %s of %s is %s", r.ID, apikey.Name, r.ClaimDeadline)
	case k != nil:
		k.deadline = r.ClaimDeadline
	}
}

// claimWritten checks a status of which an operator has written claimedAt, or removed a claim deadline.
func (o *oracle) claimWritten(before, after *v1alpha1.APIKey) {
	was, is := &before.Status, &after.Status
	o.missed(before, after)
	if was.ClaimedAt == nil && is.ClaimedAt != nil {
		o.claimRecorded(before, after)
	}
	if was.ClaimedAt != nil && is.ClaimedAt == nil && active(is.Keys) == active(was.Keys) {
		o.broken("a claim stays recorded", "the operator removed claimedAt of %s", after.Name)
	}
	for i := range is.Keys {
		if old := recordOf(was.Keys, is.Keys[i].Digest); old != nil && old.ClaimDeadline != nil {
			o.deadlineKept(old, &is.Keys[i], is.ClaimedAt != nil)
		}
	}
}

// missed notes the announced keys whose records an operator has dropped because, by its clock, they can no longer be claimed. A clock that is
// ahead ends such a key early, and then for good.
func (o *oracle) missed(before, after *v1alpha1.APIKey) {
	for i := range before.Status.Keys {
		r := &before.Status.Keys[i]
		dropped := r.State == v1alpha1.KeyPending && recordOf(after.Status.Keys, r.Digest) == nil
		if k := o.byDigest[r.Digest]; k != nil && dropped && r.ClaimDeadline != nil && !o.world.acting.latest().Before(r.ClaimDeadline.Time) {
			k.missed = true
		}
	}
}

// claimRecorded checks that a claim that an operator has recorded names the active key, which has no deadline any more.
func (o *oracle) claimRecorded(before, after *v1alpha1.APIKey) {
	digest := active(after.Status.Keys)
	r := recordOf(before.Status.Keys, digest)
	if r == nil || r.State != v1alpha1.KeyActive || before.Annotations[v1alpha1.ClaimAnnotation] != r.ID {
		o.broken("a claim names the active key", "%s has %q, and the operator recorded a claim", after.Name, before.Annotations[v1alpha1.ClaimAnnotation])
	}
	if r := recordOf(after.Status.Keys, digest); r == nil || r.ClaimDeadline != nil {
		o.broken("a claimed key has no deadline", "the operator recorded the claim of %s and left it one", after.Name)
	}
	if k := o.byDigest[digest]; k != nil {
		k.claimed = true
	}
	o.claims[after.UID], o.claimers[after.UID] = digest, o.world.acting.operator.place
}

// deadlineKept checks what an operator has made of a record with a claim deadline.
func (o *oracle) deadlineKept(old, r *v1alpha1.KeyRecord, claimed bool) {
	if r.State == v1alpha1.KeyRetiring {
		return
	}
	if r.State != old.State && !o.world.acting.clock.Before(old.ClaimDeadline.Time) {
		o.broken("a promoted key can be claimed", "%s became Active after its deadline", r.ID)
	}
	lifted := r.ClaimDeadline == nil && !claimed
	if lifted || r.ClaimDeadline != nil && old.ClaimDeadline.Before(r.ClaimDeadline) {
		o.broken("a claim deadline is never raised", "that of %s was %s and is %s", r.ID, old.ClaimDeadline, r.ClaimDeadline)
	}
}

// checkClaimed checks that the verifier accepts the claimed key of a living APIKey.
func (o *oracle) checkClaimed(k *v1alpha1.APIKey) {
	claimed := o.byDigest[o.claims[k.UID]]
	if claimed == nil || o.meddledWith[k.UID] {
		return
	}
	if reason := o.verdict(claimed.digest); reason != access.Allowed && reason != access.Disputed {
		o.broken("a claimed key works without its Secret", "the key %s of %s was claimed, and the verifier says %s", claimed.digest.ID(), k.Name, reason)
	}
}

// unclaimedAccepted checks a key that the verifier accepts: if it was not claimed, its deadline lies ahead.
func (o *oracle) unclaimedAccepted(k *drawnKey) {
	if !k.claimed && reached(k.deadline, o.world) {
		o.broken("an unclaimed key ends at its deadline", "the verifier accepts %s, which had to be claimed before %s", k.digest.ID(), k.deadline)
	}
}

// claimedInTime reports whether the claim annotation names a key. The operator may still record the claim: see doc.go.
func (o *oracle) claimedInTime(k *drawnKey) bool {
	for _, name := range names {
		apikey, err := o.world.server.APIKeys.Get(name)
		if err == nil && apikey.Annotations[v1alpha1.ClaimAnnotation] == k.digest.ID() && recordOf(apikey.Status.Keys, k.text) != nil {
			return true
		}
	}

	return false
}

// announcedInTime reports whether a key was announced and can still be claimed. The operator may promote it after the deadline of the key that
// it replaces: see doc.go.
func (o *oracle) announcedInTime(k *drawnKey) bool {
	for _, name := range names {
		apikey, err := o.world.server.APIKeys.Get(name)
		if err != nil {
			continue
		}
		if r := recordOf(apikey.Status.Keys, k.text); r != nil && r.State == v1alpha1.KeyPending && !reached(r.ClaimDeadline, o.world) {
			return true
		}
	}

	return false
}

// secretDeleted checks that the key of a Secret that an operator has deleted has ended, or that its claim is recorded.
func (o *oracle) secretDeleted(c apimodel.Change[*corev1.Secret], p *pass) {
	apikey, err := o.world.server.APIKeys.Get(p.request.Name)
	if err != nil || !metav1.IsControlledBy(c.Before, apikey) || o.touched[c.Before.Name] || o.meddledWith[apikey.UID] {
		return
	}
	if o.over(apikey) || final(apikey) || endedFor(p, apikey) || confirmedEnd(p) {
		return
	}
	if apikey.Status.ClaimedAt == nil {
		o.broken("a claim is recorded before the Secret is deleted", "the operator deleted Secret %s", c.Before.Name)
	}
	if r := recordOf(apikey.Status.Keys, o.held[c.Before.ResourceVersion]); r != nil && r.State == v1alpha1.KeyPending {
		o.broken("a claim leaves the next delivery", "the operator deleted Secret %s with the announced key %s", c.Before.Name, r.ID)
	}
}

// confirmedEnd reports whether an APIKey had ended by what a pass has seen, for good or in the version that the API server confirmed.
func confirmedEnd(p *pass) bool {
	return endedFor(p, p.seen) && (final(p.seen) || p.confirmed)
}

// latest returns the latest time that the operator's clock has shown in a pass. A clock that is ahead ends keys early.
func (p *pass) latest() time.Time { return maxTime(p.operator.Now(), p.clock) }

// endedFor reports whether an APIKey, as it is or as the cache of an operator had it, has ended by the clock of that operator.
func endedFor(p *pass, k *v1alpha1.APIKey) bool {
	if k == nil || final(k) {
		return k != nil
	}
	end := policy.Earlier(policy.EnforcedExpiry(k), policy.ClaimDeadline(k))

	return end != nil && !p.latest().Before(end.Time)
}

// settledClaim checks an APIKey whose key was claimed: no copy is left that a watch delivers, and one record is Active. A user can restore a
// copy without the label of the operator, where no guardrail prevents it.
func (o *oracle) settledClaim(k *v1alpha1.APIKey) {
	if secret := o.secretOf(k); secret != nil && watchedSecret(secret) {
		o.broken("no copy of a claimed key is left", "the Secret of %s is there", k.Name)
	}
	if count(k.Status.Keys, v1alpha1.KeyActive) != 1 || count(k.Status.Keys, v1alpha1.KeyPending) != 0 && !waits(k) {
		o.broken("the Active record is of the claimed key", "%s: %d records", k.Name, len(k.Status.Keys))
	}
}

// claimedLost checks why a claimed key is not Active any more: only the Secret of the next delivery, which does not account for it or after
// the end of the overlap that it accounts for, ends it. Until then its record is Retiring.
// Its key may have missed its own deadline since, and was not promoted.
func (o *oracle) claimedLost(apikey *v1alpha1.APIKey, secret *corev1.Secret) {
	digest := o.claims[apikey.UID]
	delete(o.claims, apikey.UID)
	if o.claimers[apikey.UID] != o.world.acting.operator.place {
		return // two operators at once: see package lifecycle
	}
	if secret != nil {
		next := o.byDigest[o.held[secret.ResourceVersion]]
		delivered := o.touched[secret.Name] || next != nil && next.text != digest
		retired := recordOf(apikey.Status.Keys, digest) != nil
		if delivered && (retired || !accountsFor(secret, digest, o.world.acting.latest())) {
			return
		}
	}
	o.broken("a living key keeps its record", "the operator dropped the record of the claimed key of %s", apikey.Name)
}

// accountsFor reports whether a Secret lists a digest as valid at a time: without an end, or with a later one in seconds after an "@".
func accountsFor(secret *corev1.Secret, digest string, now time.Time) bool {
	for entry := range strings.SplitSeq(secret.Annotations[v1alpha1.SecretValidKeysAnnotation], ",") {
		if !strings.HasPrefix(entry, digest) {
			continue
		}
		_, text, ends := strings.Cut(entry, "@")
		seconds, err := strconv.ParseInt(text, 10, 64)

		return !ends || err != nil || now.Before(time.Unix(seconds, 0))
	}

	return false
}
