// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// settle notes what has to be accepted and refused once an APIKey, its Secret and its status agree and nothing is asked for.
func (o *Oracle) settle(now time.Time, s *subject) {
	if s.gone || s.unsettled() != "" {
		return
	}
	if s.meddled {
		s.meddled, s.rotations = false, map[string]map[string]bool{}
		o.checkRotations(now, s)
	}
	o.checkRequests(now, s)
	o.checkReplacement(now, s)
	for _, r := range s.open {
		o.delays = append(o.delays, now.Sub(r.acked))
		o.completed = append(o.completed, now)
	}
	s.open = nil
	o.judgeKeys(now, s)
}

// unsettled returns why an APIKey is not settled; empty: it is.
func (s *subject) unsettled() string {
	if s.apikey == nil {
		return "it was not seen yet"
	}
	if why := s.waiting(); why != "" {
		return why
	}
	status := &s.apikey.Status
	switch {
	case status.ObservedGeneration != s.apikey.Generation:
		return fmt.Sprintf("the status is of generation %d of %d", status.ObservedGeneration, s.apikey.Generation)
	case s.final():
		if s.secret != nil {
			return "it has ended, and its Secret is there"
		}

		return ""
	case !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady):
		return "it is not Ready" + message(s.apikey)
	default:
		return s.disagreement()
	}
}

// message returns the reason and message of the condition Ready.
func message(apikey *v1alpha1.APIKey) string {
	ready := meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return ""
	}

	return fmt.Sprintf(" (%s: %s)", ready.Reason, ready.Message)
}

func (s *subject) final() bool {
	return s.apikey.Status.Phase.IsFinal()
}

// waiting returns which request is not in the versions that were seen.
func (s *subject) waiting() string {
	for _, r := range s.open {
		seen := version(s.apikey.ResourceVersion) >= r.version
		if r.Secret != "" {
			seen = s.secretsGone[r.Secret] || r.version > 0 && s.secret != nil && s.secret.UID == r.Secret && version(s.secret.ResourceVersion) >= r.version
		}
		if r.acked.IsZero() || !seen {
			return fmt.Sprintf("the request to %s is not answered or not seen", r.Kind)
		}
	}

	return ""
}

// disagreement returns how records, Secret and annotations of a living APIKey disagree.
func (s *subject) disagreement() string {
	status := &s.apikey.Status
	active, pending := records(s.apikey, v1alpha1.KeyActive), records(s.apikey, v1alpha1.KeyPending)
	rotate, claim := s.apikey.Annotations[v1alpha1.RotateAnnotation], s.apikey.Annotations[v1alpha1.ClaimAnnotation]
	switch {
	case len(active) != 1 || len(pending) > 0:
		return fmt.Sprintf("it has %d Active and %d Pending records", len(active), len(pending))
	case rotate != "" && !slices.Contains(status.RotateValues, rotateDigest(rotate)):
		return "its rotate annotation was not acted on"
	case status.ClaimedAt != nil && s.apikey.DeliversOnce():
		if s.secret != nil {
			return "its key was claimed, and its Secret is there"
		}

		return ""
	case claim == active[0].ID:
		return "its claim was not acted on"
	default:
		return s.secretDisagreement(active[0].Digest)
	}
}

// secretDisagreement returns how the Secret and the status disagree.
func (s *subject) secretDisagreement(active string) string {
	ref := s.apikey.Status.SecretRef
	switch {
	case s.secret == nil || ref == nil:
		return "it has no Secret"
	case s.secret.UID != ref.UID || s.secret.ResourceVersion != ref.ResourceVersion:
		return fmt.Sprintf("the status is of version %s of the Secret, which has %s", ref.ResourceVersion, s.secret.ResourceVersion)
	case len(s.secret.Keys) == 0 || s.secret.Keys[0] != active:
		return "its Secret does not hold the active key"
	default:
		return ""
	}
}

// checkRequests checks the results of requests that were carried out.
func (o *Oracle) checkRequests(now time.Time, s *subject) {
	if s.final() {
		if !s.mayHaveEnded(now) {
			o.broken(now, EndedUnasked, "%s is %s, which was not asked for", s.name, s.apikey.Status.Phase)
		}

		return
	}
	active := records(s.apikey, v1alpha1.KeyActive)[0]
	for _, r := range s.open {
		replaces := r.Kind == schedule.Rotate || r.Kind == schedule.RotateOverlap
		current := s.apikey.Annotations[v1alpha1.RotateAnnotation] == r.Value
		if replaces && current && !r.used && slices.ContainsFunc(r.before, func(k *key) bool { return k.digest == active.Digest }) {
			o.broken(now, NotRotated, "%s is settled after the request %q with the key %s from before it", s.name, r.Value, active.ID)
		}
	}
}

// judgeKeys notes which keys have to be accepted, and which are dead.
func (o *Oracle) judgeKeys(now time.Time, s *subject) {
	status := &s.apikey.Status
	s.active = ""
	for _, k := range s.keys {
		i := slices.IndexFunc(status.Keys, func(r v1alpha1.KeyRecord) bool { return r.Digest == k.digest })
		switch {
		case s.final():
			k.dies(now, reasonFinal, now)
		case i < 0:
			k.dies(now, reasonReplaced, now)
		case status.Keys[i].State == v1alpha1.KeyActive:
			s.active = k.digest
			o.judgeActive(now, s, k)
		case status.Keys[i].NotAfter != nil:
			o.checkRevival(now, k, status.Keys[i].NotAfter.Time)
			k.dies(now, reasonReplaced, status.Keys[i].NotAfter.Time)
		}
	}
}

// judgeActive notes that the active key has to be accepted from now on.
func (o *Oracle) judgeActive(now time.Time, s *subject, k *key) {
	if k.dead != nil {
		o.broken(now, Revived, "%s is Active again, after it was %s", k, k.dead.reason)
	}
	if s.lost[k.digest] && s.apikey.Status.ClaimedAt == nil {
		o.broken(now, Revived, "%s is Active, although its Secret was deleted", k)
	}
	if s.apikey.Status.Phase != v1alpha1.PhaseActive {
		return
	}
	if lives := !k.live.IsZero() && k.until.Equal(s.expires); !lives {
		k.live, k.until, k.known = now, s.expires, map[schedule.Target]time.Time{}
	}
}

// checkRevival checks that the end of a replaced key does not move away.
func (o *Oracle) checkRevival(now time.Time, k *key, until time.Time) {
	if k.dead != nil && until.After(k.dead.from) && until.After(now) {
		o.broken(now, Revived, "%s is valid until %s, after it was to end at %s", k, stamp(until), stamp(k.dead.from))
	}
}

// dies notes that a key has to be refused from a time on.
func (k *key) dies(now time.Time, reason string, from time.Time) {
	k.endsBy(from)
	if k.dead == nil || from.Before(k.dead.from) {
		k.dead = newFact(reason, now, from)
	}
}
