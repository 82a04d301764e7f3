// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// Intent is what a user is about to do to an APIKey, or to its Secret.
type Intent struct {
	UID  types.UID
	Kind schedule.OperationKind
	// Value is that of the rotate annotation, or the id that is claimed.
	Value string
	// Overlap is how long a replaced key stays valid.
	Overlap time.Duration
	// Ends is the new expiry.
	Ends time.Time
	// Secret is the uid of the Secret that is deleted or changed.
	Secret types.UID
}

// Request is an Intent on its way to the API server, and until the operator has carried it out.
type Request struct {
	Intent

	// before are the keys that were handed out when the request began.
	before []*key
	acked  time.Time
	// version is the resourceVersion of the changed object; 0: it was deleted.
	version uint64
	// used says that the value had rotated the key before.
	used bool
	late bool
}

// Begin notes that a request is about to be sent: from now on it may have effects.
func (o *Oracle) Begin(now time.Time, intent Intent) *Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(intent.UID)
	r := &Request{Intent: intent, before: slices.Clone(s.keys)}
	r.used = len(s.open) == 0 && !s.meddled && s.apikey != nil &&
		slices.Contains(s.apikey.Status.RotateValues, rotateDigest(intent.Value))
	s.open = append(s.open, r)
	s.begins(now, r)

	return r
}

// begins applies the effects that a request may have from now on.
func (s *subject) begins(now time.Time, r *Request) {
	switch r.Kind {
	case schedule.Rename, schedule.Claim: // no effect on the key
	case schedule.Rotate, schedule.RotateOverlap, schedule.RotateAgain:
		if !r.used {
			s.rotationBegins(now, r.Overlap)
		}
	case schedule.Expire:
		s.expiryBegins(r.Ends)
	case schedule.Resume:
		s.facts = slices.DeleteFunc(s.facts, func(f *fact) bool { return f.reason == reasonSuspended })
	case schedule.RestoreStatus:
		s.liveUntil(now)
		s.meddled, s.lost = true, map[string]bool{}
		for _, k := range s.keys {
			k.dead = nil
		}
	case schedule.Revoke:
		s.liveUntil(now)
		s.revoking = true
	case schedule.Recreate:
		s.liveUntil(now)
		s.deleting = true
	default:
		s.liveUntil(now)
	}
}

// expiryBegins notes that the APIKey may end at a time.
func (s *subject) expiryBegins(ends time.Time) {
	s.liveUntil(ends)
	if s.expires.IsZero() || ends.Before(s.expires) {
		s.expires = ends
	}
}

// rounding is how much earlier an overlap may end, because a status has whole seconds.
const rounding = time.Second

// rotationBegins ends the time for which keys have to be accepted. Of the replaced keys only the one that was active keeps an overlap for
// certain: there is room for four records.
func (s *subject) rotationBegins(now time.Time, overlap time.Duration) {
	for _, k := range s.keys {
		if until := now.Add(overlap - rounding); overlap > rounding && k.digest == s.active {
			k.endsBy(until)
		} else {
			k.endsBy(now)
		}
	}
}

// liveUntil bounds the time for which the keys of the APIKey have to be accepted.
func (s *subject) liveUntil(end time.Time) {
	for _, k := range s.keys {
		k.endsBy(end)
	}
}

func (k *key) endsBy(end time.Time) {
	if k.until.IsZero() || end.Before(k.until) {
		k.until = end
	}
}

// The reasons of facts.
const (
	reasonSuspended = "suspended"
	reasonRevoked   = "revoked"
	reasonDeleted   = "the APIKey was deleted"
	reasonExpiry    = "expired"
	reasonReplaced  = "replaced, or its overlap has ended"
	reasonFinal     = "the APIKey has ended"
)

// Acked notes that the API server has carried a request out. version is the resourceVersion of the object, or 0 if it was deleted.
func (o *Oracle) Acked(now time.Time, r *Request, version uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(r.UID)
	r.acked, r.version = now, version
	switch r.Kind {
	case schedule.Revoke:
		s.facts = append(s.facts, newFact(reasonRevoked, now, now))
	case schedule.Suspend:
		s.facts = append(s.facts, newFact(reasonSuspended, now, now))
	case schedule.Recreate: // a watch that was interrupted may show neither the APIKey nor its end
		s.ends(now)
	case schedule.Expire:
		s.facts = append(s.facts, newFact(reasonExpiry, now, r.Ends))
	default:
	}
	o.settle(now, s)
}

// Void notes that a request was definitely not carried out.
func (o *Oracle) Void(now time.Time, r *Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(r.UID)
	s.open = slices.DeleteFunc(s.open, func(open *Request) bool { return open == r })
	o.settle(now, s)
}

// Created notes that the API server has created an APIKey.
func (o *Oracle) Created(now time.Time, apikey *v1alpha1.APIKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(apikey.UID)
	s.name = apikey.Name
	o.noteCreation(now, s, apikey)
	o.settle(now, s)
}

// noteCreation opens the request for the first key, and notes the end of a key that does not live for ever.
func (o *Oracle) noteCreation(now time.Time, s *subject, apikey *v1alpha1.APIKey) {
	if s.created {
		return
	}
	s.created = true
	s.open = append(s.open, &Request{Intent: Intent{UID: s.uid, Kind: schedule.Create}, acked: now})
	if ends := declaredEnd(apikey); ends != nil {
		s.facts = append(s.facts, newFact(reasonExpiry, now, ends.Time))
		s.expires = ends.Time
	}
}

// Planted notes that a user is about to put a key into a Secret that the operator has not drawn.
func (o *Oracle) Planted(uid types.UID, digest, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(uid)
	o.keys[digest] = &key{digest: digest, id: id, subject: s, planted: true, known: map[schedule.Target]time.Time{}}
}

// subjectOf returns the APIKey with a uid.
func (o *Oracle) subjectOf(uid types.UID) *subject {
	s := o.subjects[uid]
	if s == nil {
		s = &subject{
			uid: uid, name: string(uid), secretsGone: map[types.UID]bool{}, lost: map[string]bool{}, rotations: map[string]map[string]bool{},
		}
		o.subjects[uid] = s
	}

	return s
}
