// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"cmp"
	"slices"
	"strings"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// entry is what the index keeps of an APIKey. It does not change, except that its rights are replaced by shared ones when it enters the
// index.
type entry struct {
	// only stores the record of an APIKey that has one, as most do: next to the subject, in the same cache lines.
	only    [1]record
	subject access.Subject
	records []record
	rights  *rights
}

// record is what the index keeps of an entry of status.keys.
type record struct {
	digest keys.Digest
	grant  access.Grant
}

// newEntry returns what decisions need of an APIKey.
func newEntry(apikey *v1alpha1.APIKey) *entry {
	phase := apikey.Status.Phase
	e := &entry{
		subject: access.Subject{
			Namespace:   intern(apikey.Namespace),
			Owner:       intern(apikey.Spec.Owner),
			Environment: intern(apikey.Spec.Environment),
			Customers:   intern(access.ListOf(apikey.Spec.Customers)),
			Limit:       limitOf(cmp.Or(apikey.Status.RateLimit, apikey.Spec.RateLimit)), // spec counts until the operator has seen it
			ExpiresAt:   seconds(policy.EnforcedExpiry(apikey), access.Never),
			LastUsedAt:  seconds(apikey.Status.LastUsedAt, 0),
			// The first final phase stays: an APIKey that is declared revoked after it expired stays expired.
			Revoked:   phase == v1alpha1.PhaseRevoked || !apikey.DeletionTimestamp.IsZero() || apikey.Spec.Revoked && phase != v1alpha1.PhaseExpired,
			Expired:   phase == v1alpha1.PhaseExpired,
			Suspended: apikey.Spec.Suspend,
		},
		rights: rightsOf(apikey),
	}
	if deadline := seconds(policy.ClaimDeadline(apikey), access.Never); deadline < e.subject.ExpiresAt {
		e.subject.ExpiresAt, e.subject.Unclaimed = deadline, true
	}
	e.records = e.only[:0]
	if n := len(apikey.Status.Keys); n > len(e.only) {
		e.records = make([]record, 0, n)
	}
	for i := range apikey.Status.Keys {
		e.add(&apikey.Status.Keys[i])
	}
	e.setNames(apikey.Name, string(apikey.UID))
	for i := range e.records {
		e.records[i].grant.Subject = &e.subject
	}

	return e
}

// setNames stores name, UID and ids in one allocation: the fewer there are, the sooner garbage is collected.
func (e *entry) setNames(name, uid string) {
	var all strings.Builder
	all.Grow(len(name) + len(uid) + len(e.records)*keys.IDLength)
	all.WriteString(name)
	all.WriteString(uid)
	for i := range e.records {
		all.WriteString(e.records[i].digest.ID())
	}
	text := all.String()
	e.subject.Name, text = text[:len(name)], text[len(name):]
	e.subject.UID, text = text[:len(uid)], text[len(uid):]
	for i := range e.records {
		e.records[i].grant.ID, text = text[:keys.IDLength], text[keys.IDLength:]
	}
}

// add keeps a record of status.keys. It drops one with an invalid digest, which the schema refuses and no key has. It derives the id
// from the digest, because a forged id must not name another key.
func (e *entry) add(from *v1alpha1.KeyRecord) {
	digest, ok := keys.ParseDigest(from.Digest)
	if !ok {
		return
	}
	added := record{digest: digest, grant: access.Grant{NotAfter: access.Never}}
	switch from.State {
	case v1alpha1.KeyRetiring:
		added.grant.NotAfter = min(seconds(from.NotAfter, 0), seconds(from.ClaimDeadline, access.Never)) // without notAfter it has ended, as for the operator
	case v1alpha1.KeyPending: // the operator mints another key in its place
		added.grant.NotAfter = seconds(from.ClaimDeadline, access.Never)
	case v1alpha1.KeyActive: // its claim deadline is that of the APIKey
	}
	if twin := e.recordOf(digest); twin != nil { // the same digest twice: the earlier end counts
		twin.grant.NotAfter = min(twin.grant.NotAfter, added.grant.NotAfter)

		return
	}
	e.records = append(e.records, added)
}

// recordOf returns the entry's record of a digest; nil: there is none.
func (e *entry) recordOf(digest keys.Digest) *record {
	if i := slices.IndexFunc(e.records, func(r record) bool { return r.digest == digest }); i >= 0 {
		return &e.records[i]
	}

	return nil
}

func (e *entry) name() types.NamespacedName {
	return types.NamespacedName{Namespace: e.subject.Namespace, Name: e.subject.Name}
}

func (e *entry) sameName(other *entry) bool { return e.name() == other.name() }

// limitOf returns a rate limit as the verifier applies it.
func limitOf(limit *v1alpha1.RateLimit) access.Limit {
	if limit == nil {
		return access.Limit{}
	}
	requests, burst, per := limit.Effective()

	return access.Limit{Requests: requests, Burst: burst, Per: per}
}

// seconds returns a time in seconds since 1970, or none if there is no time.
func seconds(at *metav1.Time, none int64) int64 {
	if at == nil {
		return none
	}

	return at.Unix()
}

// intern returns one copy of a string for all entries that have it.
func intern[T ~string](s T) T { return unique.Make(s).Value() }
