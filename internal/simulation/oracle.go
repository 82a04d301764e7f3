// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/policy"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// Violation is a broken invariant.
type Violation struct {
	// Rule names the invariant.
	Rule string
	// Detail says what was found.
	Detail string
}

// String returns the rule and the detail.
func (v *Violation) String() string { return v.Rule + ": " + v.Detail }

// drawnKey is a key that an operator has drawn.
type drawnKey struct {
	digest keys.Digest
	text   string // the digest
	// accepted reports that the verifier has accepted the key, died that it has refused it for good since, and outlived that only the time
	// was the reason.
	accepted, died, outlived bool
	// deadline is the time before which the key has to be claimed, nil if it need not, and claimed reports that it was.
	deadline *metav1.Time
	claimed  bool
	// missed reports that an operator has dropped the record because the key was not claimed in time by its clock.
	missed bool
}

// oracle knows every key and checks the invariants at every change.
type oracle struct {
	world     *world
	index     *keyindex.Index
	apikeys   cache.TransformingStore
	violation *Violation

	drawn    []*drawnKey
	byDigest map[string]*drawnKey
	// held is the digest of the key in each version of a Secret.
	held map[string]string
	// touched are the Secrets whose content a user has changed since the last new key.
	touched map[string]bool
	// meddledWith are the APIKeys whose status a user has written since the last new key.
	meddledWith map[types.UID]bool
	// meddledAt is when a user has written the status of an APIKey last.
	meddledAt map[types.UID]time.Time
	// claims are the digests of the active keys that were claimed.
	claims map[types.UID]string
	// claimers are the places of the operators that have recorded the claims.
	claimers map[types.UID]int
	// writers are the processes that know that they have written the statuses last, and unanswered the versions that were written last.
	writers    map[types.UID]*operator
	unanswered map[types.UID]string
	// forgeries are the records that users have written, by digest.
	forgeries map[string]*forgery
	// served counts the rotations by request.
	served map[servedRequest]int
	// wasBehind reports that the clock of an operator was behind.
	wasBehind bool
}

type servedRequest struct {
	apikey types.UID
	value  string
}

func newOracle(w *world, index *keyindex.Index) *oracle {
	return &oracle{
		world: w, index: index, apikeys: index.APIKeys(), byDigest: map[string]*drawnKey{}, held: map[string]string{},
		touched: map[string]bool{}, meddledWith: map[types.UID]bool{}, meddledAt: map[types.UID]time.Time{}, served: map[servedRequest]int{},
		claims: map[types.UID]string{}, claimers: map[types.UID]int{},
		writers: map[types.UID]*operator{}, unanswered: map[types.UID]string{}, forgeries: map[string]*forgery{},
	}
}

// broken records a violation. The first one counts.
func (o *oracle) broken(rule, format string, args ...any) {
	if o.violation == nil {
		o.violation = &Violation{Rule: rule, Detail: fmt.Sprintf(format, args...)}
		o.world.tracef("VIOLATION: %s", o.violation)
	}
}

// drew notes a key that an operator has drawn.
func (o *oracle) drew(key keys.Key) {
	digest := key.Digest()
	k := &drawnKey{digest: digest, text: digest.String()}
	o.drawn = append(o.drawn, k)
	o.byDigest[k.text] = k
	if running := o.world.running; running != nil {
		running.drawn = append(running.drawn, k.text)
	}
}

// meddled notes that a user writes the status of an APIKey: it may revive keys, end final phases, and forget requests that were served.
func (o *oracle) meddled(uid types.UID) {
	o.meddledWith[uid] = true
	o.meddledAt[uid] = o.world.now
	delete(o.claims, uid)
	maps.DeleteFunc(o.served, func(r servedRequest, _ int) bool { return r.apikey == uid })
	for _, k := range o.drawn {
		k.accepted, k.died, k.outlived, k.missed = false, false, false, false
	}
}

// apikeyChanged checks a change of an APIKey.
func (o *oracle) apikeyChanged(c apimodel.Change[*v1alpha1.APIKey]) {
	if c.Removed {
		_ = o.apikeys.Delete(c.Before) // a store in memory
	} else {
		_ = o.apikeys.Update(c.After)
	}
	if o.world.acting != nil && !c.Added && !c.Removed {
		o.statusWritten(c.Before, c.After)
	}
	o.check()
}

// check asks the verifier about every key.
func (o *oracle) check() {
	for _, name := range names {
		if apikey, err := o.world.server.APIKeys.Get(name); err == nil && o.live(apikey) {
			o.checkHeld(apikey)
			o.checkClaimed(apikey)
		}
	}
	for _, k := range o.drawn {
		o.checkDrawn(k)
	}
}

// verdict returns what the verifier says of a key.
func (o *oracle) verdict(digest keys.Digest) access.Reason {
	request := access.Request{Credential: access.Presented, Environment: environment}

	return access.Decide(&request, o.index.Find(digest), o.world.now).Reason
}

// live reports whether the key of an APIKey has to be accepted.
func (o *oracle) live(k *v1alpha1.APIKey) bool {
	expiry := policy.Earlier(policy.EnforcedExpiry(k), policy.ClaimDeadline(k))

	return !k.Spec.Revoked && !k.Spec.Suspend && k.DeletionTimestamp == nil && !final(k) && (expiry == nil || o.world.now.Before(expiry.Time))
}

// secretOf returns the Secret that an APIKey controls, or nil.
func (o *oracle) secretOf(k *v1alpha1.APIKey) *corev1.Secret {
	secret, err := o.world.server.Secrets.Get(k.SecretName())
	if err != nil || secret.DeletionTimestamp != nil || secret.Type != v1alpha1.SecretType || !metav1.IsControlledBy(secret, k) {
		return nil
	}

	return secret
}

// checkHeld checks that the verifier accepts the key in the Secret of an APIKey, unless a user has put it there.
func (o *oracle) checkHeld(k *v1alpha1.APIKey) {
	secret := o.secretOf(k)
	if secret == nil || o.touched[secret.Name] || o.meddledWith[k.UID] {
		return
	}
	drawn := o.byDigest[o.held[secret.ResourceVersion]]
	if drawn == nil || drawn.missed || reached(drawn.deadline, o.world) {
		return
	}
	if reason := o.verdict(drawn.digest); reason != access.Allowed && reason != access.Disputed {
		o.broken("a live key is accepted", "the key %s is in the Secret of %s, and the verifier says %s", drawn.digest.ID(), k.Name, reason)
	}
}

// checkDrawn checks that a key that was refused for good stays refused.
func (o *oracle) checkDrawn(k *drawnKey) {
	switch o.verdict(k.digest) {
	case access.Allowed:
		if k.missed || k.died && (!k.outlived || !o.wasBehind) {
			o.broken("a dead key stays dead", "the verifier accepts %s again", k.digest.ID())
		}
		k.accepted = true
		o.unclaimedAccepted(k)
	case access.Unknown:
		k.end(false)
	case access.Revoked:
		o.revoked(k)
	case access.Expired:
		if phaseIsFinal := o.index.Find(k.digest).Subject.Expired; phaseIsFinal || o.recordedEnd(k) {
			k.end(!phaseIsFinal)
		}
	default:
	}
}

// revoked notes that a key has ended, unless a claim deadline has passed and a claim or an announcement from before may still take effect.
func (o *oracle) revoked(k *drawnKey) {
	subject := o.index.Find(k.digest).Subject
	if byTime := subject.Unclaimed && !subject.Revoked; !byTime || !o.claimedInTime(k) && !o.announcedInTime(k) {
		k.end(byTime)
	}
}

// end notes that a key has ended, and whether only the time was the reason.
func (k *drawnKey) end(byTime bool) {
	if k.accepted && !k.died {
		k.died, k.outlived = true, byTime
	}
}

// recordedEnd reports whether a key has ended for good by now: its record has, or both the status and spec of its APIKey say that the end
// has come. Where spec says otherwise, its end was moved in time, and the operator may still record that: see doc.go.
func (o *oracle) recordedEnd(k *drawnKey) bool {
	for _, name := range names {
		apikey, err := o.world.server.APIKeys.Get(name)
		if err != nil {
			continue
		}
		if r := recordOf(apikey.Status.Keys, k.text); r != nil {
			declared := policy.DeclaredExpiry(apikey)
			moved := declared == nil || !reached(declared, o.world)

			unclaimed := r.State == v1alpha1.KeyPending && reached(r.ClaimDeadline, o.world)

			return unclaimed || reached(r.NotAfter, o.world) || reached(apikey.Status.ExpiresAt, o.world) && !moved
		}
	}

	return false
}

func reached(at *metav1.Time, w *world) bool { return at != nil && !w.now.Before(at.Time) }
