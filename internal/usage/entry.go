// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"math"
	"sync/atomic"
	"time"
)

// Marks among the times of an entry, which are in seconds since 1970.
const (
	// never is what the status of a key says that was not used yet.
	never int64 = 0
	// retired is the newest use of an entry that takes no more.
	retired int64 = math.MaxInt64
	// nothing is no time at all.
	nothing int64 = -1
)

// entry is what is known of the use of one key. Requests raise newest; all else belongs to the writer.
type entry struct {
	subject Subject
	// newest is the newest use; whole seconds, so that a busy key changes it once a second and only reads it otherwise.
	newest atomic.Int64

	// stored is the newest use that the status is known to hold.
	stored int64
	// refused is what stored was when the API server refused a write because the status said something else; or nothing.
	refused int64
	// notBefore is when it is worth looking at this entry again.
	notBefore int64
}

func newEntry(subject Subject, at int64) *entry {
	e := &entry{subject: subject, refused: nothing}
	e.newest.Store(at)

	return e
}

// raise notes a use. It returns false if the entry was retired, so that the use has to go to another one.
func (e *entry) raise(at int64) bool {
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

// retire ends an entry unless there was a use since newest was looked at.
func (e *entry) retire(newest int64) bool { return e.newest.CompareAndSwap(newest, retired) }

// see notes what the watch shows of the status, which may be behind what was written.
func (e *entry) see(lastUsedAt time.Time) {
	if !lastUsedAt.IsZero() {
		e.stored = max(e.stored, lastUsedAt.Unix())
	}
}

// rest leaves the entry alone for a while, and what is left of a second.
func (e *entry) rest(now time.Time, d time.Duration) {
	e.notBefore = now.Add(d + time.Second - 1).Unix()
}
