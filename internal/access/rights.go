// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"slices"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Rights are the permissions and roles of an APIKey. APIKeys with the same ones share them, so that the cache of the processor holds
// what a million of them have in common.
type Rights struct {
	// Permissions are spec.permissions; the Roles add theirs.
	Permissions []v1alpha1.Permission
	Roles       []*Role

	listed atomic.Pointer[listing]
}

// maxListing is the length in bytes up to which a list is kept. It bounds the memory where every APIKey has rights of its own.
const maxListing = 512

// listing is a list of rights, which is valid until one of their roles changes.
type listing struct {
	roles []*[]v1alpha1.Permission
	list  List
}

// Hold reports whether the rights include a permission, directly or through a role.
func (r *Rights) Hold(permission v1alpha1.Permission) bool {
	if r == nil {
		return false
	}
	if slices.Contains(r.Permissions, permission) {
		return true
	}
	for _, role := range r.Roles {
		if slices.Contains(role.Permissions(), permission) {
			return true
		}
	}

	return false
}

// List returns all permissions: as they are declared if there are no roles, else sorted and without duplicates.
func (r *Rights) List() List {
	if r == nil {
		return ""
	}
	if kept := r.listed.Load(); kept != nil && kept.isValid(r.Roles) {
		return kept.list
	}
	all, now := slices.Clone(r.Permissions), listing{}
	for _, role := range r.Roles {
		permissions := role.permissions.Load()
		now.roles = append(now.roles, permissions)
		if permissions != nil {
			all = append(all, *permissions...)
		}
	}
	if len(r.Roles) > 0 {
		slices.Sort(all)
		all = slices.Compact(all)
	}
	now.list = ListOf(all)
	if len(now.list) <= maxListing {
		r.listed.Store(&now)
	}

	return now.list
}

// isValid reports whether no role has changed since.
func (l *listing) isValid(roles []*Role) bool {
	for i, role := range roles {
		if role.permissions.Load() != l.roles[i] {
			return false
		}
	}

	return true
}

// Role is the permissions of an APIKeyRole. All APIKeys that name it share it. The zero value grants nothing, like a role that does
// not exist.
type Role struct {
	permissions atomic.Pointer[[]v1alpha1.Permission]
}

// Permissions returns what the role grants now. The caller must not change it.
func (r *Role) Permissions() []v1alpha1.Permission {
	if p := r.permissions.Load(); p != nil {
		return *p
	}

	return nil
}

// Set replaces the permissions of the role. The caller must not change them afterwards.
func (r *Role) Set(permissions []v1alpha1.Permission) { r.permissions.Store(&permissions) }
