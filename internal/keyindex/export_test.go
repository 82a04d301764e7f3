// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

// Sizes are how much the index keeps besides the grants.
func (x *Index) Sizes() (entries, roles, disputes int) {
	x.mu.Lock()
	defer x.mu.Unlock()

	return len(x.entries), len(x.roles.byName) + len(x.roles.rights), len(x.disputes)
}
