// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func numbered(n int) *record {
	c := &record{}
	binary.LittleEndian.PutUint64(c.digest[:], uint64(n)) //nolint:gosec // G115: tests count from 0

	return c
}

// The table does what a map does, while it grows, shrinks and has slots that records have left.
func TestTableAgreesWithAMap(t *testing.T) {
	for _, kinds := range []int{50, 2_000, 20_000} {
		random := rand.New(rand.NewPCG(uint64(kinds), 1)) //nolint:gosec // G404, G115: the same cases in every run
		table, model := newTable(), map[keys.Digest]*record{}
		for step := range 12 * kinds {
			c := numbered(random.IntN(kinds))
			if growing := step/(3*kinds)%2 == 0; growing || random.IntN(3) == 0 {
				table.put(c)
				model[c.digest] = c
			} else {
				table.remove(&c.digest)
				delete(model, c.digest)
			}
			if other := numbered(random.IntN(kinds)).digest; table.find(&other) != model[other] || table.Len() != len(model) {
				t.Fatalf("step %d of %d: the table has %d records and the map %d, or they differ", step, kinds, table.Len(), len(model))
			}
		}
		for digest, c := range model {
			if table.find(&digest) != c {
				t.Fatal("a record is lost")
			}
			table.remove(&digest)
			if table.find(&digest) != nil {
				t.Fatal("a record stays")
			}
		}
		if slots := len(*table.slots.Load()); table.Len() != 0 || slots > 2*leastSlots {
			t.Fatalf("%d records in %d slots are left of none", table.Len(), slots)
		}
	}
}

// Two digests may have one hash; the digest decides.
func TestTableTellsDigestsOfOneHashApart(t *testing.T) {
	table, a, b := newTable(), numbered(1), numbered(2)
	table.put(a)
	forged := table.hash(&b.digest)
	slots := *table.slots.Load()
	at(slots, forged).record.Store(a) // as if a had this hash, too
	at(slots, forged).hash.Store(forged)
	if table.find(&b.digest) != nil {
		t.Fatal("a record was found for a key that has none")
	}
	table.put(b)
	if table.find(&b.digest) != b || table.find(&a.digest) != a {
		t.Fatal("of two records with one hash one is lost")
	}
	table.remove(&b.digest)
	if table.find(&b.digest) != nil || table.find(&a.digest) != a {
		t.Fatal("the wrong record was removed")
	}
}

// Keys that stay are found at any moment, and never another in their place, whatever else changes. It is for -race, too.
func TestTableIsReadWhileItChanges(t *testing.T) {
	const stay, come = 500, 4_000
	table := newTable()
	for i := range stay {
		table.put(numbered(i))
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for r := range 4 {
		readers.Go(func() {
			for i := r; !done.Load(); i++ {
				want := numbered(i % stay).digest
				if c := table.find(&want); c == nil || c.digest != want {
					t.Error("a key that stays is not found")

					return
				}
				other := numbered(stay + i%come).digest
				if c := table.find(&other); c != nil && c.digest != other {
					t.Error("another key was found")

					return
				}
			}
		})
	}
	for range 10 {
		for i := range come {
			table.put(numbered(stay + i))
			table.put(numbered(i % stay))
		}
		for i := range come {
			digest := numbered(stay + i).digest
			table.remove(&digest)
		}
	}
	done.Store(true)
	readers.Wait()
}
