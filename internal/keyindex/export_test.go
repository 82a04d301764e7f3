// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import "k8s.io/client-go/tools/cache"

// Stores are what the watches write to.
func (x *Index) Stores() (apiKeys, roles cache.TransformingStore) {
	return x.apiKeyStore(), x.roleStore()
}

// Sizes are how much the index keeps besides the grants.
func (x *Index) Sizes() (entries, roles, disputes int) {
	x.mu.Lock()
	defer x.mu.Unlock()

	return len(x.entries), len(x.roles), len(x.disputes)
}
