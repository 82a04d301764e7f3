// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Secret is a Secret of an APIKey without its keys.
type Secret struct {
	Name, ResourceVersion string
	UID, Owner            types.UID
	// Keys are the digests of the keys that it holds: the key, then the previous one. An empty digest is of a text that is no key.
	Keys []string
}

// APIKeySeen notes a version of an APIKey.
func (o *Oracle) APIKeySeen(now time.Time, apikey *v1alpha1.APIKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(apikey.UID)
	s.name = apikey.Name
	s.apikey = apikey
	o.noteCreation(now, s, apikey)
	if n := len(records(apikey, v1alpha1.KeyActive)); n > 1 {
		o.broken(now, SeveralActive, "%s has %d Active records in version %s", s.name, n, apikey.ResourceVersion)
	}
	o.checkRotations(now, s)
	o.settle(now, s)
}

// APIKeyGone notes that an APIKey was deleted.
func (o *Oracle) APIKeyGone(now time.Time, uid types.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(uid)
	if !s.deleting {
		o.broken(now, EndedUnasked, "%s was deleted, which was not asked for", s.name)
	}
	s.ends(now)
}

// ends notes that the APIKey is gone.
func (s *subject) ends(now time.Time) {
	if s.gone {
		return
	}
	s.gone, s.open = true, nil
	s.liveUntil(now)
	s.facts = append(s.facts, newFact(reasonDeleted, now, now))
}

// SecretSeen notes a version of a Secret.
func (o *Oracle) SecretSeen(now time.Time, secret *Secret) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(secret.Owner)
	s.secret = secret
	for _, digest := range secret.Keys {
		if digest != "" && o.keys[digest] == nil {
			k := &key{digest: digest, id: digest[:idLength], subject: s, known: map[schedule.Target]time.Time{}}
			o.keys[digest] = k
			s.keys = append(s.keys, k)
		}
	}
	o.settle(now, s)
}

// idLength is how many characters of a digest are the id of its record.
const idLength = 12

// SecretGone notes that a Secret was deleted.
func (o *Oracle) SecretGone(now time.Time, owner, uid types.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjectOf(owner)
	s.secretsGone[uid] = true
	if s.secret != nil && s.secret.UID == uid {
		if len(s.secret.Keys) > 0 && !s.restoredSince(uid) {
			s.lost[s.secret.Keys[0]] = true
		}
		s.secret = nil
	}
	o.settle(now, s)
}

// checkRotations checks that a value of the rotate annotation brings one key. A status from the past has forgotten later values, so nothing
// counts until the operator has settled it.
func (o *Oracle) checkRotations(now time.Time, s *subject) {
	last, active := s.apikey.Status.LastRotation, records(s.apikey, v1alpha1.KeyActive)
	if s.meddled || last == nil || last.Trigger != v1alpha1.TriggerAnnotation || len(active) != 1 {
		return
	}
	brought := s.rotations[last.Value]
	if brought == nil {
		brought = map[string]bool{}
		s.rotations[last.Value] = brought
	}
	if brought[active[0].Digest] = true; len(brought) > 1 {
		o.broken(now, RotatedTwice, "%s has rotated %d times by %q", s.name, len(brought), last.Value)
	}
}

// records returns the records in a state.
func records(apikey *v1alpha1.APIKey, state v1alpha1.KeyState) []v1alpha1.KeyRecord {
	return slices.DeleteFunc(slices.Clone(apikey.Status.Keys), func(r v1alpha1.KeyRecord) bool { return r.State != state })
}

// declaredEnd returns the expiry in the spec of an APIKey; nil: none.
func declaredEnd(apikey *v1alpha1.APIKey) *metav1.Time { return policy.DeclaredExpiry(apikey) }

// rotateDigest returns the short digest by which the status remembers a value of the rotate annotation.
func rotateDigest(value string) v1alpha1.RotateDigest {
	const bytes = 12
	sum := sha256.Sum256([]byte(value))

	return v1alpha1.RotateDigest(base64.RawURLEncoding.EncodeToString(sum[:bytes]))
}

// version returns a resourceVersion as a number.
func version(text string) uint64 {
	number, _ := strconv.ParseUint(text, 10, 64)

	return number
}
