// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// rights are shared by all entries with the same permissions and roles.
type rights struct {
	access.Rights

	key   rightsKey
	users int // entries that have them
}

// rightsKey says whether rights are the same. The order counts, too.
type rightsKey struct{ permissions, roles access.List }

// rightsOf are the rights of an APIKey by name. What they are is filled in when the first entry has them.
func rightsOf(key *v1alpha1.APIKey) *rights {
	return &rights{key: rightsKey{
		permissions: shared(access.ListOf(key.Spec.Permissions)), roles: shared(access.ListOf(key.Spec.Roles)),
	}}
}
