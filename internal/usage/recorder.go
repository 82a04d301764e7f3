// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/puzpuzpuz/xsync/v4"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// Interval is the least time between two writes of one status.lastUsedAt. The documentation of the field promises "about 5 minutes".
const Interval = 5 * time.Minute

// DefaultWritesPerSecond is the budget of status writes if Options have none. A write takes the API server some milliseconds and
// wakes every watcher of APIKeys; 10 a second keep 3000 busy APIKeys at one write per Interval.
const DefaultWritesPerSecond = 10

// Subjects shows the APIKeys that the watch has delivered. It must be safe for concurrent use.
type Subjects interface {
	// Subject returns the APIKey with this name and UID; nil: there is none.
	Subject(namespace, name, uid string) *access.Subject
}

// Options of a Recorder. Those without a default are required.
type Options struct {
	// Subjects shows the APIKeys that the watch has delivered.
	Subjects Subjects
	// Writer writes to the API server.
	Writer StatusWriter
	// WritesPerSecond is the budget of status writes for all APIKeys together; 0: DefaultWritesPerSecond.
	WritesPerSecond float64
	// Clock tells the time and wakes Run.
	Clock clock.WithTicker
	// Log takes failed writes. It never contains keys: this package has none.
	Log *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
}

// Recorder records uses and writes them.
type Recorder struct {
	subjects Subjects
	writer   StatusWriter
	clock    clock.WithTicker
	log      *slog.Logger
	metrics  metrics
	// entries has the APIKeys that were used in the last Interval, by UID.
	entries *xsync.Map[string, *entry]

	writing sync.Mutex // guards the fields below, and all fields of entries but newest
	budget  *rate.Limiter
	// failureLogs limits the log lines about writes that are forbidden or fail: usually all writes do, or none.
	failureLogs map[result]*rate.Limiter
	queue       []*entry
	backoff     wait.Backoff
	resumeAt    time.Time // after a failed write: when the next one is tried
}

// New makes a Recorder and registers its metrics. It returns an error if metrics of these names are registered already.
func New(opts Options) (*Recorder, error) {
	perSecond := opts.WritesPerSecond
	if perSecond <= 0 {
		perSecond = DefaultWritesPerSecond
	}
	r := &Recorder{
		subjects: opts.Subjects, writer: opts.Writer, clock: opts.Clock, log: opts.Log,
		metrics: newMetrics(),
		entries: xsync.NewMap[string, *entry](),
		// The burst is the budget of one second, so that unused seconds do not add up.
		budget: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		failureLogs: map[result]*rate.Limiter{
			forbidden: rate.NewLimiter(rate.Every(Interval), 1),
			failed:    rate.NewLimiter(rate.Every(lastRetry), 1),
		},
		backoff: newBackoff(),
	}

	return r, r.metrics.register(opts.Registerer)
}

// Used records that a key of an APIKey was used. It never waits, and allocates only if the APIKey has no entry.
// Call it for accepted keys only: an entry takes about 200 bytes until the APIKey has been idle for Interval.
func (r *Recorder) Used(subject *access.Subject, now time.Time) {
	at := now.Unix()
	for {
		e, ok := r.entries.Load(subject.UID)
		if !ok {
			e, ok = r.entries.LoadOrStore(subject.UID, newEntry(subject, at))
		}
		if !ok || e.advance(at) {
			return
		}
		r.remove(e) // the writer is about to remove it too; waiting for that would hold up a request
	}
}

// remove removes a retired entry from the map, unless a new one for the same APIKey has taken its place.
func (r *Recorder) remove(e *entry) {
	r.entries.Compute(e.uid, func(current *entry, loaded bool) (*entry, xsync.ComputeOp) {
		if loaded && current == e {
			return nil, xsync.DeleteOp
		}

		return current, xsync.CancelOp
	})
}
