// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"regexp"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// vault has the keys that were in Secrets, in memory only. It is safe for concurrent use.
type vault struct {
	mu   sync.Mutex
	keys map[string]keys.Key // by digest
	all  []string            // digests, oldest first
	// owners are the APIKeys with a key, and latest is the newest key of each.
	owners []types.UID
	latest map[types.UID]string
}

func newVault() *vault { return &vault{keys: map[string]keys.Key{}, latest: map[types.UID]string{}} }

// learn stores the key that a Secret holds and returns its digest; empty: the text is no key.
func (v *vault) learn(owner types.UID, text []byte) string {
	key, err := keys.Parse(string(text))
	if err != nil {
		return ""
	}
	digest := key.Digest().String()
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.keys[digest]; known {
		return digest
	}
	v.keys[digest] = key
	v.all = append(v.all, digest)
	if v.latest[owner] == "" {
		v.owners = append(v.owners, owner)
	}
	v.latest[owner] = digest

	return digest
}

// size returns the number of keys.
func (v *vault) size() int {
	v.mu.Lock()
	defer v.mu.Unlock()

	return len(v.all)
}

// recent is how many of the newest keys and owners are asked about more often than others.
const recent = 400

// pick returns a key to ask about: the newest key of a recent APIKey, a recent key, or any.
func (v *vault) pick() (digest, text string, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.all) == 0 {
		return "", "", false
	}
	switch choice := rand.IntN(10); { //nolint:gosec // it selects what to ask
	case choice < 5:
		digest = v.latest[newest(v.owners)]
	case choice < 8:
		digest = newest(v.all)
	default:
		digest = v.all[rand.IntN(len(v.all))] //nolint:gosec // as above
	}

	return digest, v.keys[digest].Reveal(), true
}

// newest returns one of the last elements.
func newest[T any](list []T) T {
	n := min(recent, len(list))

	return list[len(list)-1-rand.IntN(n)] //nolint:gosec // it selects what to ask
}

// text returns a key.
func (v *vault) text(digest string) string {
	v.mu.Lock()
	defer v.mu.Unlock()

	return v.keys[digest].Reveal()
}

// keyShape matches every key.
func keyShape() *regexp.Regexp { return regexp.MustCompile(keys.Pattern()) }
