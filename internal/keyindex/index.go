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
	// Log takes what somebody has to look at: a digest that two APIKeys claim, a watch that fails.
	Log *slog.Logger
	// Clock tells the time, and when to ask the API server.
	Clock clock.WithDelayedExecution
	// MaxStaleness is the age of the index that its user accepts, at least LeastMaxStaleness. A low one makes the index ask the
	// API server more often. 0: any age.
	MaxStaleness time.Duration
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
}

// Index finds grants. Find can be called at any time by anyone; it waits for nobody.
type Index struct {
	// claims is what Find reads, without locks. What it holds never changes; it is replaced.
	claims  *table
	log     *slog.Logger
	metrics *metrics
	synced  chan struct{}
	clock   clock.WithDelayedExecution
	// progress is the freshness of each resource. The map does not change.
	progress     map[string]*progress
	maxStaleness time.Duration

	// Everything below belongs to the watches, which take turns.
	mu       sync.Mutex
	entries  map[types.NamespacedName]*entry
	roles    roles
	disputes map[keys.Digest][]*entry
	pending  int // watches that have not delivered everything once
}

// New makes an empty Index; Run fills it.
func New(opts Options) (*Index, error) {
	x := &Index{
		claims:   newTable(),
		log:      opts.Log,
		synced:   make(chan struct{}),
		clock:    opts.Clock,
		progress: map[string]*progress{}, maxStaleness: opts.MaxStaleness,
		entries:  map[types.NamespacedName]*entry{},
		roles:    newRoles(),
		disputes: map[keys.Digest][]*entry{},
		pending:  len(resources()),
	}
	for _, resource := range resources() {
		x.progress[resource] = newProgress(opts.MaxStaleness)
	}
	var err error
	x.metrics, err = newMetrics(opts.Registerer, opts.Clock, x.claims.Len, x.progress)

	return x, err
}

// Find returns the grant of a key; nil: there is none. It takes no locks and allocates nothing.
func (x *Index) Find(digest keys.Digest) *access.Grant {
	if c := x.claims.find(&digest); c != nil {
		return &c.grant
	}

	return nil
}

// Subject returns what is known of an APIKey; nil: there is none of this name and uid.
func (x *Index) Subject(namespace, name, uid string) *access.Subject {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.entries[types.NamespacedName{Namespace: namespace, Name: name}]; e != nil && e.subject.UID == uid {
		return &e.subject
	}

	return nil
}

// Synced is closed once every APIKey and every role has been seen. Before that, "not found" means nothing.
func (x *Index) Synced() <-chan struct{} { return x.synced }

// Staleness returns for how long the index may have missed changes. It is math.MaxInt64 until the index was complete for the
// first time. It takes no locks.
func (x *Index) Staleness(now time.Time) time.Duration {
	return max(x.progress[apiKeysResource].age(now), x.progress[rolesResource].age(now))
}

// AwaitConfirmed waits until Staleness is known, or the context ends.
func (x *Index) AwaitConfirmed(ctx context.Context) error {
	for _, resource := range resources() {
		select {
		case <-x.progress[resource].confirmed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}

	return nil
}

// put makes an entry the one of its name.
func (x *Index) put(e *entry) {
	old := x.entries[e.name()]
	x.entries[e.name()] = e
	e.rights = x.roles.share(e.rights)
	e.subject.Rights = &e.rights.Rights
	for i := range e.claims {
		x.claim(e, &e.claims[i])
	}
	if old != nil { // after the new claims: a key that stays is never without a grant
		x.drop(old, e)
	}
}

// remove takes out the entry of a name.
func (x *Index) remove(name types.NamespacedName) {
	if e := x.entries[name]; e != nil {
		delete(x.entries, name)
		x.drop(e, nil)
	}
}

// claim lets an entry have a key, unless another has it already: then nobody does.
func (x *Index) claim(e *entry, c *claim) {
	holder := x.Find(c.digest)
	rival := x.entryOf(holder)
	switch {
	case holder != nil && holder.Disputed:
		x.disputes[c.digest] = append(slices.DeleteFunc(x.disputes[c.digest], e.sameName), e)
	case rival != nil && !e.sameName(rival):
		x.disputes[c.digest] = []*entry{rival, e}
		x.claims.put(&claim{digest: c.digest, grant: access.Grant{Subject: &e.subject, ID: c.grant.ID, Disputed: true}})
		x.metrics.disputed.Set(float64(len(x.disputes)))
		x.log.Warn("Two APIKeys claim the same key, so it is refused. One has copied the digest of the other into its status: find out who may write apikeys/status.",
			"key", c.grant.ID, "first", rival.name().String(), "second", e.name().String())
	default:
		x.claims.put(c)
	}
}

// entryOf is the entry that a grant is from; nil: none.
func (x *Index) entryOf(grant *access.Grant) *entry {
	if grant == nil || grant.Disputed {
		return nil
	}

	return x.entries[types.NamespacedName{Namespace: grant.Subject.Namespace, Name: grant.Subject.Name}]
}

// drop takes back what an entry claimed and its successor does not; nil: it has none.
func (x *Index) drop(old, successor *entry) {
	for i := range old.claims {
		if digest := old.claims[i].digest; successor == nil || successor.claimOf(digest) == nil {
			x.release(old, digest)
		}
	}
	x.roles.release(old.rights)
}

// release takes a key from an entry. When only one other is left that claims it, the dispute is over.
func (x *Index) release(e *entry, digest keys.Digest) {
	left, disputed := x.disputes[digest]
	if !disputed {
		x.claims.remove(&digest)

		return
	}
	left = slices.DeleteFunc(left, e.sameName)
	if len(left) > 1 {
		x.disputes[digest] = left

		return
	}
	delete(x.disputes, digest)
	x.metrics.disputed.Set(float64(len(x.disputes)))
	x.claims.put(left[0].claimOf(digest))
	x.log.Info("A key is no longer claimed by two APIKeys and works again.", "key", digest.ID(), "apikey", left[0].name().String())
}
