// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"iter"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// roles are all roles that exist or that an APIKey names. All rights that name a role share it, so that a change of a role is one
// assignment, however many APIKeys have it.
type roles struct {
	byName map[v1alpha1.RoleName]*role
	rights map[rightsKey]*rights
}

type role struct {
	access.Role

	exists bool // as an APIKeyRole
	users  int  // rights that name it
}

func newRoles() roles {
	return roles{byName: map[v1alpha1.RoleName]*role{}, rights: map[rightsKey]*rights{}}
}

// share returns the rights that all entries with the wanted ones share.
func (r roles) share(wanted *rights) *rights {
	held := r.rights[wanted.key]
	if held == nil {
		held = wanted
		r.rights[held.key] = held
		for permission := range held.key.permissions.All() {
			held.Permissions = append(held.Permissions, v1alpha1.Permission(permission))
		}
		for name := range held.key.roles.All() {
			role := r.named(v1alpha1.RoleName(name))
			role.users++
			held.Roles = append(held.Roles, &role.Role)
		}
	}
	held.users++

	return held
}

// release removes an entry from the users of rights.
func (r roles) release(held *rights) {
	if held.users--; held.users > 0 {
		return
	}
	delete(r.rights, held.key)
	for name := range held.key.roles.All() {
		r.byName[v1alpha1.RoleName(name)].users--
		r.forget(v1alpha1.RoleName(name))
	}
}

// set stores a role.
func (r roles) set(name v1alpha1.RoleName, permissions []v1alpha1.Permission) {
	role := r.named(name)
	role.exists = true
	role.Set(permissions)
}

// unset removes a role: it grants nothing from now on.
func (r roles) unset(name v1alpha1.RoleName) {
	if role := r.byName[name]; role != nil {
		role.exists = false
		role.Set(nil)
		r.forget(name)
	}
}

// names returns the names of all roles.
func (r roles) names() iter.Seq[types.NamespacedName] {
	return func(yield func(types.NamespacedName) bool) {
		for name := range r.byName {
			if !yield(types.NamespacedName{Name: string(name)}) {
				return
			}
		}
	}
}

func (r roles) named(name v1alpha1.RoleName) *role {
	if r.byName[name] == nil {
		r.byName[name] = &role{}
	}

	return r.byName[name]
}

// forget drops a role that neither exists nor is named.
func (r roles) forget(name v1alpha1.RoleName) {
	if role := r.byName[name]; !role.exists && role.users == 0 {
		delete(r.byName, name)
	}
}

// rights are what all entries with the same permissions and roles share.
type rights struct {
	access.Rights

	key   rightsKey
	users int // entries that have them
}

// rightsKey identifies rights. The order of permissions and roles counts.
type rightsKey struct{ permissions, roles access.List }

// rightsOf returns the rights of an APIKey by name. The first entry that has them fills them in.
func rightsOf(apikey *v1alpha1.APIKey) *rights {
	return &rights{key: rightsKey{
		permissions: intern(access.ListOf(apikey.Spec.Permissions)), roles: intern(access.ListOf(apikey.Spec.Roles)),
	}}
}
