// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"iter"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// roles are all roles that exist or that an entry names, by name. All entries that name one share it, so that a change of a
// role is one assignment, however many keys have it.
type roles map[v1alpha1.RoleName]*role

type role struct {
	access.Role

	exists bool // as an APIKeyRole
	users  int  // entries that name it
}

// take returns the roles of these names for an entry.
func (r roles) take(names []v1alpha1.RoleName) []*access.Role {
	if len(names) == 0 {
		return nil
	}
	taken := make([]*access.Role, len(names))
	for i, name := range names {
		role := r.named(name)
		role.users++
		taken[i] = &role.Role
	}

	return taken
}

// release gives back what an entry took.
func (r roles) release(names []v1alpha1.RoleName) {
	for _, name := range names {
		r[name].users--
		r.forget(name)
	}
}

// set makes a role grant these permissions.
func (r roles) set(name v1alpha1.RoleName, permissions []v1alpha1.Permission) {
	role := r.named(name)
	role.exists = true
	role.Set(sharedEach(permissions))
}

// unset makes a role grant nothing.
func (r roles) unset(name v1alpha1.RoleName) {
	if role := r[name]; role != nil {
		role.exists = false
		role.Set(nil)
		r.forget(name)
	}
}

// names are those of all roles, as an APIKeyRole has them.
func (r roles) names() iter.Seq[types.NamespacedName] {
	return func(yield func(types.NamespacedName) bool) {
		for name := range r {
			if !yield(types.NamespacedName{Name: string(name)}) {
				return
			}
		}
	}
}

func (r roles) named(name v1alpha1.RoleName) *role {
	if r[name] == nil {
		r[name] = &role{}
	}

	return r[name]
}

// forget lets go of a role that neither exists nor is named.
func (r roles) forget(name v1alpha1.RoleName) {
	if role := r[name]; !role.exists && role.users == 0 {
		delete(r, name)
	}
}
