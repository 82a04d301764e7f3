// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// model is a cluster in memory and what the contract says about it, worked out anew for every question from the objects
// themselves: it shares nothing with the code that it checks but the types and the digest.
type model struct {
	random *rand.Rand
	now    time.Time
	apis   map[string]*v1alpha1.APIKey // by name
	roles  map[string]*v1alpha1.APIKeyRole
	texts  []string // every credential that there ever was
}

func newModel(seed uint64) *model {
	return &model{
		random: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // G404: the same cases in every run
		now:    time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		apis:   map[string]*v1alpha1.APIKey{}, roles: map[string]*v1alpha1.APIKeyRole{},
	}
}

func pick[T any](m *model, from ...T) T { return from[m.random.IntN(len(from))] }

func some[T any](m *model, from ...T) []T {
	var taken []T
	for _, t := range from {
		if m.random.IntN(2) == 0 {
			taken = append(taken, t)
		}
	}

	return taken
}

// around is a time shortly before, at or after now, or none.
func (m *model) around() *metav1.Time {
	if m.random.IntN(3) != 0 {
		return nil
	}

	return &metav1.Time{Time: m.now.Add(time.Duration(m.random.IntN(300)-30) * time.Second)}
}

// apiKey is an APIKey in any state, also in those that the API server or the operator would not let be.
func (m *model) apiKey(name string) *v1alpha1.APIKey {
	key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{
		Namespace: "n", Name: name, UID: types.UID(fmt.Sprint("uid-", m.random.Uint64())), CreationTimestamp: metav1.Time{Time: m.now.Add(-time.Hour)},
	}}
	key.Spec = v1alpha1.APIKeySpec{
		Environment: pick(m, v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment),
		Permissions: some(m, v1alpha1.Permission("a"), "b", "c"),
		Roles:       some(m, v1alpha1.RoleName("r0"), "r1", "r2"),
		Customers:   some(m, v1alpha1.Customer("x"), "y"),
		Suspend:     m.random.IntN(8) == 0, Revoked: m.random.IntN(8) == 0,
	}
	if m.random.IntN(2) == 0 {
		key.Spec.ExpiresAt = m.around()
	} else {
		key.Spec.ValidFor = pick(m, v1alpha1.Duration(""), "59m", "1h", "1h1m", "2h", "24h")
	}
	if m.random.IntN(20) == 0 {
		key.DeletionTimestamp = &metav1.Time{Time: m.now}
	}
	key.Status.Phase = v1alpha1.PhaseActive
	if m.random.IntN(4) == 0 {
		key.Status.Phase = pick(m, v1alpha1.PhasePending, v1alpha1.PhaseSuspended, v1alpha1.PhaseRevoked, v1alpha1.PhaseExpired)
	}
	key.Status.ExpiresAt = m.around()
	for range m.random.IntN(v1alpha1.MaxKeys + 1) {
		key.Status.Keys = append(key.Status.Keys, m.record())
	}

	return key
}

// record is of a new key, now and then of one that another APIKey has too.
func (m *model) record() v1alpha1.KeyRecord {
	text := fmt.Sprintf("credential-%d", len(m.texts))
	if len(m.texts) > 0 && m.random.IntN(20) == 0 {
		text = m.texts[m.random.IntN(len(m.texts))]
	} else {
		m.texts = append(m.texts, text)
	}
	digest := keys.DigestOf(text)
	var deadline *metav1.Time
	if m.random.IntN(4) == 0 {
		deadline = m.around()
	}

	return v1alpha1.KeyRecord{
		ID: digest.ID(), Digest: digest.String(), NotAfter: m.around(), ClaimDeadline: deadline,
		State: pick(m, v1alpha1.KeyActive, v1alpha1.KeyActive, v1alpha1.KeyPending, v1alpha1.KeyRetiring),
	}
}

func (m *model) role(name string) *v1alpha1.APIKeyRole {
	return &v1alpha1.APIKeyRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.APIKeyRoleSpec{Permissions: some(m, v1alpha1.Permission("b"), "c", "d")},
	}
}

// ask is a request that is well formed.
func (m *model) ask() access.Request {
	return access.Request{
		Credential:  access.Presented,
		Environment: pick(m, v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment),
		Permission:  pick(m, v1alpha1.Permission(""), "a", "b", "c", "d"),
		Customer:    pick(m, v1alpha1.Customer(""), "x", "y", "z"),
	}
}

// holding are the APIKeys with a record of a credential, and that record.
func (m *model) holding(text string) (found []*v1alpha1.APIKey, records []v1alpha1.KeyRecord) {
	digest := keys.DigestOf(text).String()
	for _, key := range m.apis {
		for _, r := range key.Status.Keys {
			if r.Digest == digest {
				if len(found) == 0 || found[len(found)-1] != key {
					found = append(found, key)
				}
				records = append(records, r)
			}
		}
	}

	return found, records
}

// oracle is what the contract says to a credential: the rows of its table, one after the other.
func (m *model) oracle(key *v1alpha1.APIKey, records []v1alpha1.KeyRecord, r access.Request) string {
	past := func(at *metav1.Time) bool { return at != nil && !at.After(m.now) }
	over := past(key.Status.ExpiresAt) || past(key.Spec.ExpiresAt)
	if key.Spec.ValidFor != "" {
		length, err := time.ParseDuration(string(key.Spec.ValidFor))
		over = over || err != nil || !m.now.Before(key.CreationTimestamp.Add(length))
	}
	ends := []*metav1.Time{key.Status.ExpiresAt, key.Spec.ExpiresAt}
	if length, err := time.ParseDuration(string(key.Spec.ValidFor)); err == nil {
		ends = append(ends, &metav1.Time{Time: key.CreationTimestamp.Add(length)})
	}
	unclaimed := slices.ContainsFunc(key.Status.Keys, func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyActive && past(r.ClaimDeadline) &&
			!slices.ContainsFunc(ends, func(end *metav1.Time) bool { return end != nil && !end.After(r.ClaimDeadline.Time) })
	})
	gone := slices.ContainsFunc(records, func(r v1alpha1.KeyRecord) bool {
		return r.State == v1alpha1.KeyRetiring && (r.NotAfter == nil || past(r.NotAfter)) || r.State != v1alpha1.KeyActive && past(r.ClaimDeadline)
	})
	granted := slices.Clone(key.Spec.Permissions)
	for _, name := range key.Spec.Roles {
		if role := m.roles[string(name)]; role != nil {
			granted = append(granted, role.Spec.Permissions...)
		}
	}
	switch {
	case key.DeletionTimestamp != nil, key.Status.Phase == v1alpha1.PhaseRevoked:
		return "revoked"
	case key.Status.Phase == v1alpha1.PhaseExpired:
		return "expired"
	case key.Spec.Revoked, unclaimed:
		return "revoked"
	case over:
		return "expired"
	case key.Spec.Suspend:
		return "suspended"
	case gone:
		return "expired"
	case key.Spec.Environment != r.Environment:
		return "wrong_environment"
	case r.Permission != "" && !slices.Contains(granted, r.Permission):
		return "permission_denied"
	case r.Customer != "" && len(key.Spec.Customers) > 0 && !slices.Contains(key.Spec.Customers, r.Customer):
		return "customer_denied"
	default:
		return "allowed"
	}
}

// verdict is what the contract says to a request with this credential.
func (m *model) verdict(text string, r access.Request) string {
	found, records := m.holding(text)
	switch len(found) {
	case 0:
		return "unknown"
	case 1:
	default:
		return "disputed"
	}

	return m.oracle(found[0], records, r)
}
