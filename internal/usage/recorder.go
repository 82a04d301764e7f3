// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/puzpuzpuz/xsync/v4"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Interval is how long status.lastUsedAt of a key is left alone after a write. Its documentation promises "about 5 minutes".
const Interval = 5 * time.Minute

// DefaultWritesPerSecond is the budget of status writes where Options say nothing. A write takes the API server some
// milliseconds and wakes every watcher of APIKeys; ten a second keep 3000 busy keys at one write in Interval.
const DefaultWritesPerSecond = 10

// Subject is the APIKey whose key was used.
type Subject struct {
	// UID keeps a use from being written to a later APIKey of the same name.
	UID types.UID
	// Namespace and Name say where it is.
	Namespace, Name string
}

// Statuses is what the watch of APIKeys shows.
type Statuses interface {
	// Known returns status.lastUsedAt of the APIKey with this name and uid, the zero time where there is none,
	// and whether there is such an APIKey. It must be safe to call from several goroutines.
	Known(subject Subject) (lastUsedAt time.Time, live bool)
}

// StatusWriter changes the status of objects: client.Client.Status() does. Patching apikeys/status is all that it must be allowed.
type StatusWriter interface {
	// Patch applies a patch to the status of an object.
	Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error
}

// Options of a Recorder. Those without a default are required.
type Options struct {
	// Statuses is what the watch of APIKeys shows.
	Statuses Statuses
	// Writer writes to the API server.
	Writer StatusWriter
	// WritesPerSecond is the budget of status writes, for all keys together; 0: DefaultWritesPerSecond.
	WritesPerSecond float64
	// Clock tells the time, and wakes Run.
	Clock clock.WithTicker
	// Log takes what goes wrong. Keys are not in it: this package never sees one.
	Log *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
}

// Recorder notes uses and writes them.
type Recorder struct {
	statuses Statuses
	writer   StatusWriter
	clock    clock.WithTicker
	log      *slog.Logger
	metrics  metrics
	// entries hold the keys that were used of late.
	entries *xsync.Map[types.UID, *entry]

	writing sync.Mutex // held by whoever writes; it guards the rest, and what the entries say of it
	budget  *rate.Limiter
	// complaints limit log lines about writes that are forbidden or fail: those tend to be all or none.
	complaints map[outcome]*rate.Limiter
	queue      []*entry
	backoff    wait.Backoff
	resumeAt   time.Time
}

// New makes a Recorder and registers its metrics. It fails when there are metrics of those names already.
func New(opts Options) (*Recorder, error) {
	perSecond := opts.WritesPerSecond
	if perSecond <= 0 {
		perSecond = DefaultWritesPerSecond
	}
	r := &Recorder{
		statuses: opts.Statuses, writer: opts.Writer, clock: opts.Clock, log: opts.Log,
		metrics: newMetrics(),
		entries: xsync.NewMap[types.UID, *entry](),
		// What is left of a second's budget does not add up: a burst is no more than what a second may write.
		budget: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		complaints: map[outcome]*rate.Limiter{
			forbidden: rate.NewLimiter(rate.Every(Interval), 1),
			failed:    rate.NewLimiter(rate.Every(lastRetry), 1),
		},
		backoff: firstBackoff(),
	}

	return r, r.metrics.register(opts.Registerer)
}

// Record notes that a key was used. It never waits, and allocates only at the first use of a key in a while.
// Call it only for keys that were accepted: each has state of about 200 bytes until it has been idle for Interval.
func (r *Recorder) Record(subject Subject, now time.Time) {
	at := now.Unix()
	for {
		e, ok := r.entries.Load(subject.UID)
		if !ok {
			e, ok = r.entries.LoadOrStore(subject.UID, newEntry(subject, at))
		}
		if !ok || e.raise(at) {
			return
		}
		r.remove(e) // the writer is about to; help it, rather than wait for it
	}
}

// remove takes an entry that was retired out of the map. Another one for the same key stays.
func (r *Recorder) remove(e *entry) {
	r.entries.Compute(e.subject.UID, func(there *entry, loaded bool) (*entry, xsync.ComputeOp) {
		if loaded && there == e {
			return nil, xsync.DeleteOp
		}

		return there, xsync.CancelOp
	})
}
