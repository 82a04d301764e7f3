// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// leastSlots is how many slots a table has at least.
const leastSlots = 64

// table finds claims by their digest. Any number of goroutines look things up, which waits for nobody, while one changes it.
//
// It is a hash table with linear probing. Beside each pointer lies the hash, so that a look-up goes from the slot straight to
// the one claim that it looks for: with a million keys every step to another place in memory costs as much as the digest.
// A map such as xsync.Map takes one more, from its bucket to its own copy of the digest.
type table struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]slot] // a power of two, and never full: a look-up ends at an empty slot

	// For whoever changes the table.
	used int // slots that are not empty
	size atomic.Int64
}

// slot is empty while its hash is 0. Once it is not it stays the same, also when the claim goes.
type slot struct {
	hash  atomic.Uint64
	claim atomic.Pointer[claim]
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	slots := make([]slot, leastSlots)
	t.slots.Store(&slots)

	return t
}

// Len is how many claims there are.
func (t *table) Len() int { return int(t.size.Load()) }

// find returns the claim to a key; nil: there is none.
func (t *table) find(digest *keys.Digest) *claim {
	slots := *t.slots.Load()
	hash := t.hash(digest)
	for i := hash; ; i++ {
		s := at(slots, i)
		switch s.hash.Load() {
		case 0:
			return nil
		case hash:
			if c := s.claim.Load(); c != nil && c.digest == *digest {
				return c
			}
		}
	}
}

// put makes a claim the one to its key.
func (t *table) put(c *claim) {
	s := t.place(c)
	if s.claim.Swap(c) == nil {
		t.size.Add(1)
	}
	if s.hash.Load() != 0 {
		return
	}
	s.hash.Store(t.hash(&c.digest)) // after the claim: whoever sees the hash finds it
	t.used++
	if slots := *t.slots.Load(); t.used > len(slots)/4*3 {
		t.rebuild(slots)
	}
}

// remove leaves a key without a claim.
func (t *table) remove(digest *keys.Digest) {
	c := t.find(digest)
	if c == nil {
		return
	}
	t.place(c).claim.Store(nil)
	size := int(t.size.Add(-1))
	if slots := *t.slots.Load(); len(slots) > leastSlots && size < len(slots)/8 {
		t.rebuild(slots)
	}
}

// place is where the claim to a key is, or where it can go: a slot that a claim with the same hash has left, or an empty one.
func (t *table) place(c *claim) *slot {
	slots := *t.slots.Load()
	hash := t.hash(&c.digest)
	var left *slot
	for i := hash; ; i++ {
		s := at(slots, i)
		there := s.claim.Load()
		switch {
		case s.hash.Load() == 0 && left != nil:
			return left
		case s.hash.Load() == 0:
			return s
		case there == nil && s.hash.Load() == hash:
			left = s
		case there != nil && there.digest == c.digest:
			return s
		}
	}
}

// rebuild makes a table of what there is, half full at most. Look-ups under way go on in the old one, as it was.
func (t *table) rebuild(old []slot) {
	n := leastSlots
	for n < 2*t.Len() {
		n *= 2
	}
	slots := make([]slot, n)
	t.used = 0
	for i := range old {
		c := old[i].claim.Load()
		if c == nil {
			continue
		}
		hash := old[i].hash.Load()
		next := hash
		for at(slots, next).hash.Load() != 0 {
			next++
		}
		at(slots, next).claim.Store(c)
		at(slots, next).hash.Store(hash)
		t.used++
	}
	t.slots.Store(&slots)
}

// at is a slot by a number that may be beyond the last: then it goes on with the first.
func at(slots []slot, i uint64) *slot {
	return &slots[i&uint64(len(slots)-1)] //nolint:gosec // G115: there are some
}

// hash is that of a digest, never 0. It has a seed, so that nobody who forges a status can choose where keys go.
func (t *table) hash(digest *keys.Digest) uint64 {
	return max(maphash.Bytes(t.seed, digest[:]), 1)
}
