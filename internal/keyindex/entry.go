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

// entry is what is kept of an APIKey. It does not change, except that its rights become those that it shares when it enters the index.
type entry struct {
	// only is the place of the claims of most: next to the subject, it is read with it.
	only    [1]claim
	subject access.Subject
	claims  []claim
	rights  *rights
}

// claim is one key that an APIKey has a record of.
type claim struct {
	digest keys.Digest
	grant  access.Grant
}

// newEntry keeps of an APIKey what a decision needs.
func newEntry(key *v1alpha1.APIKey) *entry {
	phase := key.Status.Phase
	e := &entry{
		subject: access.Subject{
			Namespace:   shared(key.Namespace),
			Owner:       shared(key.Spec.Owner),
			Environment: shared(key.Spec.Environment),
			Customers:   shared(access.ListOf(key.Spec.Customers)),
			Limit:       limitOf(cmp.Or(key.Status.RateLimit, key.Spec.RateLimit)), // spec counts until the operator has seen it
			ExpiresAt:   seconds(policy.EnforcedExpiry(key), access.Never),
			LastUsedAt:  seconds(key.Status.LastUsedAt, 0),
			// What was reported first is final: an expired key that is declared revoked later stays an expired one.
			Revoked:   phase == v1alpha1.PhaseRevoked || !key.DeletionTimestamp.IsZero() || key.Spec.Revoked && phase != v1alpha1.PhaseExpired,
			Expired:   phase == v1alpha1.PhaseExpired,
			Suspended: key.Spec.Suspend,
		},
		rights: rightsOf(key),
	}
	e.claims = e.only[:0]
	if n := len(key.Status.Keys); n > len(e.only) {
		e.claims = make([]claim, 0, n)
	}
	for i := range key.Status.Keys {
		e.add(&key.Status.Keys[i])
	}
	e.label(key.Name, string(key.UID))
	for i := range e.claims {
		e.claims[i].grant.Subject = &e.subject
	}

	return e
}

// label says what is which. All of it is one piece of memory: the fewer there are, the sooner garbage is collected.
func (e *entry) label(name, uid string) {
	var all strings.Builder
	all.Grow(len(name) + len(uid) + len(e.claims)*keys.IDLength)
	all.WriteString(name)
	all.WriteString(uid)
	for i := range e.claims {
		all.WriteString(e.claims[i].digest.ID())
	}
	text := all.String()
	e.subject.Name, text = text[:len(name)], text[len(name):]
	e.subject.UID, text = text[:len(uid)], text[len(uid):]
	for i := range e.claims {
		e.claims[i].grant.ID, text = text[:keys.IDLength], text[keys.IDLength:]
	}
}

// add claims the key of a record. A digest that is none, which the schema lets nobody store, is no key that anybody could send.
func (e *entry) add(record *v1alpha1.KeyRecord) {
	digest, ok := keys.ParseDigest(record.Digest)
	if !ok {
		return
	}
	c := claim{digest: digest, grant: access.Grant{NotAfter: access.Never}} // not the record's id: a forged one must not name another key
	if record.State == v1alpha1.KeyRetiring {
		c.grant.NotAfter = seconds(record.NotAfter, 0) // one without a time has ended, as the operator sees it
	}
	if twin := e.claimOf(digest); twin != nil { // under two ids: the stricter one counts
		twin.grant.NotAfter = min(twin.grant.NotAfter, c.grant.NotAfter)

		return
	}
	e.claims = append(e.claims, c)
}

// claimOf is the entry's claim to a key; nil: it has none.
func (e *entry) claimOf(digest keys.Digest) *claim {
	if i := slices.IndexFunc(e.claims, func(c claim) bool { return c.digest == digest }); i >= 0 {
		return &e.claims[i]
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

// seconds is a time in seconds since 1970, or what to say where there is none.
func seconds(at *metav1.Time, none int64) int64 {
	if at == nil {
		return none
	}

	return at.Unix()
}

// shared is one copy of a string for all entries that have it.
func shared[T ~string](s T) T { return unique.Make(s).Value() }
