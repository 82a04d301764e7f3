// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// Special values among the times of an entry, which are in seconds since 1970.
const (
	// neverUsed is the use in a status without lastUsedAt.
	neverUsed int64 = 0
	// retired replaces the newest use of an entry that takes no more uses.
	retired int64 = math.MaxInt64
	// noConflict says that no write of an entry is in conflict with the status.
	noConflict int64 = -1
)

// entry holds the uses of one APIKey that are not written yet. Requests change newest; every other field belongs to the writer.
type entry struct {
	uid, namespace, name string
	// newest is the newest use, in whole seconds: a busy key changes it once a second and only reads it otherwise.
	newest atomic.Int64

	// stored is the newest use that the status is known to hold.
	stored int64
	// conflict is the value of stored at which the API server refused a write, because the status held another use; or noConflict.
	conflict int64
	// notBefore is the time before which the entry needs no write.
	notBefore int64
}

func newEntry(subject *access.Subject, at int64) *entry {
	e := &entry{uid: subject.UID, namespace: subject.Namespace, name: subject.Name, conflict: noConflict}
	e.newest.Store(at)

	return e
}

// advance records a use. It returns false if the entry is retired: the use then needs another entry.
func (e *entry) advance(at int64) bool {
	for {
		seen := e.newest.Load()
		if seen == retired {
			return false
		}
		if seen >= at || e.newest.CompareAndSwap(seen, at) {
			return true
		}
	}
}

// retire ends the entry, unless it was used after newest was read.
func (e *entry) retire(newest int64) bool { return e.newest.CompareAndSwap(newest, retired) }

// seeStored records the use that the watch shows in the status, which may be older than the last write.
func (e *entry) seeStored(lastUsedAt int64) {
	if lastUsedAt != neverUsed {
		e.stored = max(e.stored, lastUsedAt)
	}
}

// delay puts off the next write by d, rounded up to whole seconds.
func (e *entry) delay(now time.Time, d time.Duration) {
	e.notBefore = now.Add(d + time.Second - 1).Unix()
}
