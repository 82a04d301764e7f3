// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Options of an Index.
type Options struct {
	// Log takes warnings: a digest of which two APIKeys have a record, a watch that fails.
	Log *slog.Logger
	// Clock tells the time, and when to ask the API server.
	Clock clock.WithDelayedExecution
	// MaxStaleness is the age of the index that its user accepts, at least LeastMaxStaleness. A low one makes the index ask the
	// API server more often. 0: any age.
	MaxStaleness time.Duration
	// Namespaces are the namespaces whose APIKeys are followed; empty: all. Keys of other namespaces are unknown.
	Namespaces []string
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
}

// Index finds grants. Find may be called at any time from any goroutine. It never waits.
type Index struct {
	// byDigest is what Find reads, without locks. Its records are replaced and never changed.
	byDigest *table
	log      *slog.Logger
	metrics  *metrics
	synced   chan struct{}
	clock    clock.WithDelayedExecution
	// progress is the freshness of each watch. The slice does not change.
	progress     []*progress
	maxStaleness time.Duration

	// mu guards everything below, which only the watches change.
	mu       sync.Mutex
	entries  map[types.NamespacedName]*entry
	roles    roles
	disputes map[keys.Digest][]*entry
	pending  int // watches that have not delivered everything once
}

// New returns an empty Index, which Run fills.
func New(opts Options) (*Index, error) {
	x := &Index{
		byDigest: newTable(),
		log:      opts.Log,
		synced:   make(chan struct{}),
		clock:    opts.Clock,
		progress: newProgresses(opts), maxStaleness: opts.MaxStaleness,
		entries:  map[types.NamespacedName]*entry{},
		roles:    newRoles(),
		disputes: map[keys.Digest][]*entry{},
	}
	x.pending = len(x.progress)
	var err error
	x.metrics, err = newMetrics(opts.Registerer, opts.Clock, x.byDigest.Len, x.progress)

	return x, err
}

// Find returns the grant of a key; nil: there is none. It takes no locks and allocates nothing.
func (x *Index) Find(digest keys.Digest) *access.Grant {
	if found := x.byDigest.find(&digest); found != nil {
		return &found.grant
	}

	return nil
}

// Subject returns the subject of an APIKey; nil: there is no APIKey with this name and uid.
func (x *Index) Subject(namespace, name, uid string) *access.Subject {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.entries[types.NamespacedName{Namespace: namespace, Name: name}]; e != nil && e.subject.UID == uid {
		return &e.subject
	}

	return nil
}

// Synced is closed once every APIKey and every role was delivered. Until then, a key that is not found may exist.
func (x *Index) Synced() <-chan struct{} { return x.synced }

// Staleness returns for how long the index may have missed changes. It is math.MaxInt64 until the index was complete for the
// first time. It takes no locks.
func (x *Index) Staleness(now time.Time) time.Duration {
	oldest := time.Duration(0)
	for _, p := range x.progress {
		oldest = max(oldest, p.age(now))
	}

	return oldest
}

// AwaitConfirmed waits until Staleness is known, or the context ends.
func (x *Index) AwaitConfirmed(ctx context.Context) error {
	for _, p := range x.progress {
		select {
		case <-p.confirmed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}

	return nil
}

// put stores an entry under its name, instead of the one before.
func (x *Index) put(e *entry) {
	old := x.entries[e.name()]
	x.entries[e.name()] = e
	e.rights = x.roles.share(e.rights)
	e.subject.Rights = &e.rights.Rights
	for i := range e.records {
		x.addRecord(e, &e.records[i])
	}
	if old != nil { // after the new records: a key that stays is never without a grant
		x.drop(old, e)
	}
}

// remove removes the entry of a name.
func (x *Index) remove(name types.NamespacedName) {
	if e := x.entries[name]; e != nil {
		delete(x.entries, name)
		x.drop(e, nil)
	}
}

// addRecord stores the record of an entry under its digest. If another entry has a record of the same digest, the digest is disputed.
func (x *Index) addRecord(e *entry, r *record) {
	holder := x.Find(r.digest)
	rival := x.entryOf(holder)
	switch {
	case holder != nil && holder.Disputed:
		x.disputes[r.digest] = append(slices.DeleteFunc(x.disputes[r.digest], e.sameName), e)
	case rival != nil && !e.sameName(rival):
		x.disputes[r.digest] = []*entry{rival, e}
		x.byDigest.put(&record{digest: r.digest, grant: access.Grant{Subject: &e.subject, ID: r.grant.ID, Disputed: true}})
		x.metrics.disputed.Set(float64(len(x.disputes)))
		x.log.Warn("Two APIKeys have a record of the same key, so it is refused. A status was copied: find out who may write apikeys/status.",
			"key", r.grant.ID, "first", rival.name().String(), "second", e.name().String())
	default:
		x.byDigest.put(r)
	}
}

// entryOf returns the entry that a grant belongs to; nil: none.
func (x *Index) entryOf(grant *access.Grant) *entry {
	if grant == nil || grant.Disputed {
		return nil
	}

	return x.entries[types.NamespacedName{Namespace: grant.Subject.Namespace, Name: grant.Subject.Name}]
}

// drop removes the records of an entry that its successor does not have; nil: there is no successor.
func (x *Index) drop(old, successor *entry) {
	for i := range old.records {
		if digest := old.records[i].digest; successor == nil || successor.recordOf(digest) == nil {
			x.removeRecord(old, digest)
		}
	}
	x.roles.release(old.rights)
}

// removeRecord removes the record of an entry. If one other entry is left with a record of a disputed digest, the dispute is over.
func (x *Index) removeRecord(e *entry, digest keys.Digest) {
	left, disputed := x.disputes[digest]
	if !disputed {
		x.byDigest.remove(&digest)

		return
	}
	left = slices.DeleteFunc(left, e.sameName)
	if len(left) > 1 {
		x.disputes[digest] = left

		return
	}
	delete(x.disputes, digest)
	x.metrics.disputed.Set(float64(len(x.disputes)))
	x.byDigest.put(left[0].recordOf(digest))
	x.log.Info("Only one APIKey has a record of this key now, so it works again.", "key", digest.ID(), "apikey", left[0].name().String())
}
