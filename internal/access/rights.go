// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"slices"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Rights are the permissions of all keys that have the same ones and the same roles. These keys share them: what a million
// keys have in common is read once, and then is at hand.
type Rights struct {
	// Permissions are those of the APIKey itself; its Roles add theirs.
	Permissions []v1alpha1.Permission
	Roles       []*Role

	listed atomic.Pointer[listing]
}

// maxListing is how long a list is at most that is kept. Where every key has rights of its own, so many bytes come to each.
const maxListing = 512

// listing is the list of rights, for as long as their roles are as they were.
type listing struct {
	roles []*[]v1alpha1.Permission
	list  List
}

// Hold says whether a permission is among the rights, by itself or through a role.
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

// List are all permissions: as they are declared where there are no roles, else sorted and each once.
func (r *Rights) List() List {
	if r == nil {
		return ""
	}
	if known := r.listed.Load(); known != nil && known.holds(r.Roles) {
		return known.list
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

// holds says whether no role has changed since.
func (l *listing) holds(roles []*Role) bool {
	for i, role := range roles {
		if role.permissions.Load() != l.roles[i] {
			return false
		}
	}

	return true
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
