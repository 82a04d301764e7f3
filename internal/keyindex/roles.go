// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"iter"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// roles are all roles that exist or that a key names. All rights that name one share it, so that a change of a role is one
// assignment, however many keys have it.
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

// share returns the rights that all entries have that are to have these.
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

// release gives back what an entry shared.
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

// set makes a role grant these permissions.
func (r roles) set(name v1alpha1.RoleName, permissions []v1alpha1.Permission) {
	role := r.named(name)
	role.exists = true
	role.Set(permissions)
}

// unset makes a role grant nothing.
func (r roles) unset(name v1alpha1.RoleName) {
	if role := r.byName[name]; role != nil {
		role.exists = false
		role.Set(nil)
		r.forget(name)
	}
}

// names are those of all roles, as an APIKeyRole has them.
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

// forget lets go of a role that neither exists nor is named.
func (r roles) forget(name v1alpha1.RoleName) {
	if role := r.byName[name]; !role.exists && role.users == 0 {
		delete(r.byName, name)
	}
}
