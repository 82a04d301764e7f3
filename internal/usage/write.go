// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// writeTimeout limits one write, so that a hanging connection does not hold up the other writes for good.
const writeTimeout = 10 * time.Second

// refusedDelay is the pause of an entry after the API server refused its write. The watch shows the reason within that time.
const refusedDelay = time.Minute

// result is how a write ended. It is also a label of a metric.
type result string

const (
	written   result = "written"   // or there was nothing to write
	refused   result = "refused"   // the status holds another use than expected, or the name belongs to another APIKey
	gone      result = "gone"      // there is no such APIKey
	forbidden result = "forbidden" // rights are missing, or an admission policy refuses the write
	failed    result = "failed"    // there is no definite answer
)

// results lists all results.
func results() []result { return []result{written, refused, gone, forbidden, failed} }

// write writes the newest use of an entry if the status holds the stored one.
func (r *Recorder) write(ctx context.Context, e *entry) result {
	use := e.newest.Load()
	patch, err := newPatch(e.uid, e.stored, use)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		err = r.writer.PatchStatus(limited, e.namespace, e.name, patch)
	}
	got := resultOf(err)
	r.metrics.writes.WithLabelValues(string(got)).Inc()
	r.applyResult(e, use, got)
	if err != nil && ctx.Err() == nil {
		r.logFailure(e, got, err)
	}

	return got
}

// applyResult updates an entry after a write.
func (r *Recorder) applyResult(e *entry, use int64, got result) {
	now := r.clock.Now()
	switch got {
	case written:
		e.stored, e.conflict = use, noConflict
		e.delay(now, Interval)
	case gone:
		r.drop(e)
	case refused:
		// Usually another replica has written, and the watch is about to show that. After a restore of a backup the stored use
		// is wrong instead. In both cases only the watch says from here on what is stored.
		e.conflict, e.stored = e.stored, neverUsed
		e.delay(now, refusedDelay)
	case forbidden:
		e.delay(now, refusedDelay)
	case failed: // the caller decides when to retry
	}
}

// logFailure logs why a write failed: at debug level if that is routine, else as a warning, limited in rate over all APIKeys.
func (r *Recorder) logFailure(e *entry, got result, err error) {
	log := r.log.With("namespace", e.namespace, "name", e.name, "error", err)
	limit, limited := r.failureLogs[got]
	switch {
	case !limited:
		log.Debug("status.lastUsedAt was not written", "result", got)
	case limit.AllowN(r.clock.Now(), 1):
		log.Warn("Cannot write status.lastUsedAt. The use is kept and written later; other APIKeys may be affected", "result", got)
	}
}

// drop removes the entry of an APIKey that is gone, with its pending use.
func (r *Recorder) drop(e *entry) {
	e.newest.Store(retired)
	r.remove(e)
}

// resultOf returns the result that an answer of the API server stands for.
func resultOf(err error) result {
	switch {
	case err == nil:
		return written
	case apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		return gone // an unknown resource has that cause: the CRD may come back with all its objects
	case apierrors.IsInvalid(err), apierrors.IsConflict(err), apierrors.IsBadRequest(err): // a failed test is Invalid
		return refused
	case apierrors.IsForbidden(err):
		return forbidden
	default:
		return failed
	}
}

// operation is one operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string  `json:"op"`
	Path  string  `json:"path"`
	Value *string `json:"value"`
}

// newPatch returns a JSON patch that sets status.lastUsedAt if the APIKey has this UID and the field holds the stored use.
// The patch has no resourceVersion, so a write of the operator in between is no conflict. The API server takes a test for null as
// passed if the field is absent.
func newPatch(uid string, stored, use int64) ([]byte, error) {
	const path = "/status/lastUsedAt"
	var old *string
	if stored != neverUsed {
		old = new(timestamp(stored))
	}

	return json.Marshal([]operation{
		{Op: "test", Path: "/metadata/uid", Value: &uid},
		{Op: "test", Path: path, Value: old},
		{Op: "add", Path: path, Value: new(timestamp(use))},
	})
}

// timestamp formats a time as metav1.Time does: a JSON patch compares the text.
func timestamp(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
