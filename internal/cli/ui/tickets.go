// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// maxTickets bounds the keys that wait to be shown. A person creates or rotates one after the other.
const maxTickets = 64

// ticket is the right to see a key once, which creating or rotating it gives.
type ticket struct {
	// key is the APIKey as the request left it.
	key *v1alpha1.APIKey
	// rotation is the name of the rotation whose key is shown; empty: the first key of the APIKey.
	rotation string
}

// tickets are the keys that were made from this page and not shown yet. The zero value holds none.
type tickets struct {
	mu   sync.Mutex
	open map[types.NamespacedName]ticket
}

// put keeps a ticket. It replaces an earlier one of the same APIKey, whose key is not current any more.
func (t *tickets) put(name types.NamespacedName, one ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil || len(t.open) >= maxTickets {
		t.open = map[types.NamespacedName]ticket{}
	}
	t.open[name] = one
}

// look returns a ticket and leaves it.
func (t *tickets) look(name types.NamespacedName) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, found := t.open[name]

	return one, found
}

// take returns a ticket and removes it, so that of two requests one alone shows the key.
func (t *tickets) take(name types.NamespacedName) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, found := t.open[name]
	delete(t.open, name)

	return one, found
}

// giveBack keeps a ticket whose key was not shown after all, unless a newer one has come.
func (t *tickets) giveBack(name types.NamespacedName, one ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, newer := t.open[name]; !newer && t.open != nil && len(t.open) < maxTickets {
		t.open[name] = one
	}
}
