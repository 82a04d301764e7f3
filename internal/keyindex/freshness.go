// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// freshness derives as of when the knowledge of one resource is complete. It is pure: time and resource versions are parameters.
//
// A consistent read returns the resource version of etcd at a moment after the read began. Once the watch has delivered that
// version or a later one, it has delivered every change from before the read began. Neither half is enough alone:
// kube-apiserver sends bookmarks from its own cache while etcd hangs, and it answers reads while a watch hangs.
type freshness struct {
	// completeAsOf is when the latest read began that the watch has reached; zero: there was none.
	completeAsOf time.Time
	// delivered is the resource version up to which the watch has delivered every change; 0: unknown.
	delivered uint64
	// unreached are the answered reads that the watch has not reached yet, the oldest first.
	unreached []read
	// newest is the highest resource version that a read has returned.
	newest uint64
	// failedAt is when a read or a watch last failed.
	failedAt time.Time
	// rewound reports that resource versions went back, as after a restore of etcd. Then no comparison of versions holds, and
	// the watch may skip changes, until everything is listed again.
	rewound bool
}

// read is one consistent read.
type read struct {
	began time.Time
	// least is the lowest resource version that it can return.
	least   uint64
	version uint64
}

// maxUnreached is how many answered reads are kept while the watch delivers nothing. Further reads replace the last one.
const maxUnreached = 64

// begin starts a read.
func (f *freshness) begin(now time.Time) read {
	return read{began: now, least: max(f.delivered, f.newest)}
}

// answer takes the resource version that a read has returned. Reads of one resource must not overlap.
func (f *freshness) answer(r read, version uint64) {
	if version < r.least {
		f.rewound, f.unreached = true, nil
	}
	if f.rewound {
		return
	}
	r.version, f.newest = version, version
	if len(f.unreached) == maxUnreached {
		f.unreached = f.unreached[:maxUnreached-1]
	}
	f.unreached = append(f.unreached, r)
	f.advance()
}

// deliver takes the resource version of an event or a bookmark of the watch.
func (f *freshness) deliver(version uint64) {
	f.delivered = version
	f.advance()
}

// restart takes the resource version of a complete list, from which the watch goes on.
func (f *freshness) restart(version uint64) {
	if f.rewound {
		f.rewound, f.newest = false, 0
	}
	if version < f.delivered { // what was complete is not any more
		f.completeAsOf = time.Time{}
	}
	f.delivered = version
	f.advance()
}

// fail takes a read or a watch that has failed.
func (f *freshness) fail(now time.Time) { f.failedAt = now }

func (f *freshness) advance() {
	reached := 0
	for reached < len(f.unreached) && f.unreached[reached].version <= f.delivered {
		f.completeAsOf = f.unreached[reached].began
		reached++
	}
	f.unreached = f.unreached[reached:]
}

// downAfter is the age at which the watch counts as down although no read has failed: it is open and delivers nothing.
const downAfter = 20 * time.Second

// up reports whether reads and the watch currently keep the knowledge complete, and younger than downAfter and a maximum; 0: there
// is no maximum.
func (f *freshness) up(now time.Time, most time.Duration) bool {
	oldest := downAfter
	if most > 0 {
		oldest = min(oldest, most)
	}

	return f.completeAsOf.After(f.failedAt) && age(f.completeAsOf, now) <= oldest
}

// unknownAge is the age of knowledge that was never complete.
const unknownAge = time.Duration(math.MaxInt64)

// age returns how old knowledge is that was complete as of a time. The wall clock counts where it shows more than the
// monotonic clock, which stands still while a machine is suspended. A wall clock that is set back hides nothing.
func age(completeAsOf, now time.Time) time.Duration {
	if completeAsOf.IsZero() {
		return unknownAge
	}

	return max(now.Sub(completeAsOf), now.Round(0).Sub(completeAsOf.Round(0)), 0)
}

// parseVersion parses a resource version. Since Kubernetes 1.35 all are numbers that grow.
func parseVersion(text string) (uint64, error) {
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil || version == 0 {
		return 0, fmt.Errorf("resource version %q is not a positive number, so its age is unknown", text)
	}

	return version, nil
}
