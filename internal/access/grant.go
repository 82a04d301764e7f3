// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Never is a time in seconds that does not come.
const Never int64 = math.MaxInt64

// Grant is one key that somebody may hold, and whom it stands for. The zero value allows nothing.
type Grant struct {
	// Subject is what all keys of the APIKey have in common; nil allows nothing.
	Subject *Subject
	// ID is the first 12 characters of the key's digest.
	ID string
	// NotAfter is when the key is refused because another has taken its place, in seconds since 1970; Never: not yet.
	NotAfter int64
	// Disputed says that more than one APIKey claims this key. Nobody can say whose it is, so nobody may use it.
	Disputed bool
}

// Subject is what an APIKey lets its keys do. It is shared by many requests at once and never changes;
// only the permissions of its roles do. What every decision looks at comes first: together it is two cache lines.
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
	// Permissions are those of the APIKey itself; its Roles add theirs.
	Permissions []v1alpha1.Permission
	Roles       []*Role
	// Customers are those that the key is for; none: every customer.
	Customers []v1alpha1.Customer
	// Limit is how often the key may be used.
	Limit Limit

	// What says whose key it is.
	Namespace, Name, UID, Owner string

	// LastUsedAt is the last use that the status records, in seconds since 1970; 0: none.
	LastUsedAt int64
}

// Holds says whether the subject has a permission, by itself or through a role.
func (s *Subject) Holds(permission v1alpha1.Permission) bool {
	return slices.Contains(s.Permissions, permission) ||
		slices.ContainsFunc(s.Roles, func(r *Role) bool { return slices.Contains(r.Permissions(), permission) })
}

// Serves says whether the key is for a customer.
func (s *Subject) Serves(customer v1alpha1.Customer) bool {
	return len(s.Customers) == 0 || slices.Contains(s.Customers, customer)
}

// Role is the permissions of an APIKeyRole, shared by all keys that name it. The zero value grants nothing,
// as a role does that does not exist.
type Role struct {
	permissions atomic.Pointer[[]v1alpha1.Permission]
}

// Permissions are what the role grants now. The caller must not change them.
func (r *Role) Permissions() []v1alpha1.Permission {
	if p := r.permissions.Load(); p != nil {
		return *p
	}

	return nil
}

// Set makes the role grant these permissions from now on, and no others. The caller must not change them afterwards.
func (r *Role) Set(permissions []v1alpha1.Permission) { r.permissions.Store(&permissions) }
