// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"math"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Never is a time in seconds that does not come.
const Never int64 = math.MaxInt64

// Grant is one key that somebody may hold, and whom it stands for. The zero value allows nothing.
type Grant struct {
	// ID is the first 12 characters of the key's digest.
	ID string
	// Subject is what all keys of the APIKey have in common; nil allows nothing.
	Subject *Subject
	// NotAfter is when the key is refused because another has taken its place, in seconds since 1970; Never: not yet.
	NotAfter int64
	// Disputed says that more than one APIKey claims this key. Nobody can say whose it is, so nobody may use it.
	Disputed bool
}

// Subject is what an APIKey lets its keys do. It is shared by many requests at once and never changes;
// only the permissions of its roles do. What every decision looks at comes first: behind a Grant it is in the same two cache lines.
type Subject struct {
	// ExpiresAt is when the key ends, in seconds since 1970; Never: it does not.
	ExpiresAt int64

	// Revoked: the key is dead for good, also while the APIKey is being deleted.
	Revoked bool
	// Expired: the operator has seen the key expire. It stays so, whatever the time says.
	Expired bool
	// Suspended: the key is disabled for now.
	Suspended bool

	// Environment is the only one whose endpoints accept the key.
	Environment v1alpha1.Environment
	// Rights are the permissions of the key; nil: none.
	Rights *Rights
	// Customers are those that the key is for; none: every customer.
	Customers List
	// Limit is how often the key may be used.
	Limit Limit

	// What says whose key it is.
	Namespace, Name, UID, Owner string

	// LastUsedAt is the last use that the status records, in seconds since 1970; 0: none.
	LastUsedAt int64
}

// Serves says whether the key is for a customer.
func (s *Subject) Serves(customer v1alpha1.Customer) bool {
	return s.Customers == "" || s.Customers.Has(string(customer))
}
