// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// leastSlots is the lowest number of slots.
const leastSlots = 64

// table finds records by digest. Many goroutines may call find, without locks, while one changes the table.
//
// It is a hash table with linear probing. Each slot has the hash beside the pointer, so find reads the slot and then the record itself,
// and no other record. With a million keys every further access to memory costs as much as the digest. A map such as xsync.Map has
// one more access, from its bucket to its own copy of the digest.
type table struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]slot] // a power of two, and never full: a look-up ends at an empty slot

	used int // slots that are not empty; only changes of the table use it
	size atomic.Int64
}

// slot is empty while its hash is 0. Once set, the hash stays, also when the record is removed.
type slot struct {
	hash   atomic.Uint64
	record atomic.Pointer[record]
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	slots := make([]slot, leastSlots)
	t.slots.Store(&slots)

	return t
}

// Len returns the number of records.
func (t *table) Len() int { return int(t.size.Load()) }

// find returns the record with a digest; nil: there is none.
func (t *table) find(digest *keys.Digest) *record {
	slots := *t.slots.Load()
	hash := t.hash(digest)
	for i := hash; ; i++ {
		s := at(slots, i)
		switch s.hash.Load() {
		case 0:
			return nil
		case hash:
			if r := s.record.Load(); r != nil && r.digest == *digest {
				return r
			}
		}
	}
}

// put stores a record under its digest, instead of the one before.
func (t *table) put(r *record) {
	s := t.place(r)
	if s.record.Swap(r) == nil {
		t.size.Add(1)
	}
	if s.hash.Load() != 0 {
		return
	}
	s.hash.Store(t.hash(&r.digest)) // after the record, so that find never sees the hash without it
	t.used++
	if slots := *t.slots.Load(); t.used > len(slots)/4*3 {
		t.rebuild(slots)
	}
}

// remove removes the record with a digest.
func (t *table) remove(digest *keys.Digest) {
	r := t.find(digest)
	if r == nil {
		return
	}
	t.place(r).record.Store(nil)
	size := int(t.size.Add(-1))
	if slots := *t.slots.Load(); len(slots) > leastSlots && size < len(slots)/8 {
		t.rebuild(slots)
	}
}

// place returns the slot of the record with the same digest, or else the one for it: a slot that a record with the same hash has
// left, or an empty one.
func (t *table) place(r *record) *slot {
	slots := *t.slots.Load()
	hash := t.hash(&r.digest)
	var left *slot
	for i := hash; ; i++ {
		s := at(slots, i)
		there := s.record.Load()
		switch {
		case s.hash.Load() == 0 && left != nil:
			return left
		case s.hash.Load() == 0:
			return s
		case there == nil && s.hash.Load() == hash:
			left = s
		case there != nil && there.digest == r.digest:
			return s
		}
	}
}

// rebuild copies all records to new slots, at most half of which they fill. Calls of find that are under way finish in the old ones.
func (t *table) rebuild(old []slot) {
	n := leastSlots
	for n < 2*t.Len() {
		n *= 2
	}
	slots := make([]slot, n)
	t.used = 0
	for i := range old {
		r := old[i].record.Load()
		if r == nil {
			continue
		}
		hash := old[i].hash.Load()
		next := hash
		for at(slots, next).hash.Load() != 0 {
			next++
		}
		at(slots, next).record.Store(r)
		at(slots, next).hash.Store(hash)
		t.used++
	}
	t.slots.Store(&slots)
}

// at returns slot i, counted on from the first one beyond the last.
func at(slots []slot, i uint64) *slot {
	return &slots[i&uint64(len(slots)-1)] //nolint:gosec // G115: there are some
}

// hash returns the hash of a digest, which is never 0. It has a seed, so that a forged status cannot choose slots.
func (t *table) hash(digest *keys.Digest) uint64 {
	return max(maphash.Bytes(t.seed, digest[:]), 1)
}
