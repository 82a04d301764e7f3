// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// recordMap is what the index could keep records in.
type recordMap interface {
	find(digest *keys.Digest) *record
	put(c *record)
}

type inXsync struct {
	*xsync.Map[keys.Digest, *record]
}

func (m inXsync) find(digest *keys.Digest) *record {
	c, _ := m.Load(*digest)

	return c
}

func (m inXsync) put(c *record) { m.Store(c.digest, c) }

type inSync struct{ *sync.Map }

func (m inSync) find(digest *keys.Digest) *record {
	c, _ := m.Load(*digest)
	found, _ := c.(*record)

	return found
}

func (m inSync) put(c *record) { m.Store(c.digest, c) }

// BenchmarkFind compares the table with maps for many readers: a look-up of a random key from each processor, and the memory that
// one key takes in the map. The package comment has the figures.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		records := make([]record, n) // one allocation, so that the heap grows by the maps alone
		digests := make([]keys.Digest, n)
		for i := range records {
			digests[i] = keys.DigestOf(fmt.Sprint(i))
			records[i].digest = digests[i]
		}
		for _, kind := range []struct {
			name string
			make func() recordMap
		}{
			{"table", func() recordMap { return newTable() }},
			{"xsync", func() recordMap { return inXsync{xsync.NewMap[keys.Digest, *record]()} }},
			{"sync", func() recordMap { return inSync{&sync.Map{}} }},
		} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				before := heapInUse()
				m := kind.make()
				for i := range records {
					m.put(&records[i])
				}
				perKey := float64(heapInUse()-before) / float64(n)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					random := rand.New(rand.NewPCG(rand.Uint64(), 1)) //nolint:gosec // G404: not secret
					for pb.Next() {
						digest := digests[random.IntN(n)] // as from a request: not from the memory of the record
						if c := m.find(&digest); c == nil || c.grant.Disputed {
							b.Error("not found")
						}
					}
				})
				b.ReportMetric(perKey, "B/key")
				runtime.KeepAlive(m)
			})
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)

	return int64(m.HeapAlloc) //nolint:gosec // G115: less than 8 EiB
}
