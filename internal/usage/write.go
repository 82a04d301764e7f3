// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// fieldManager is whose field lastUsedAt is in metadata.managedFields.
const fieldManager = "apikey-verifier"

// writeTimeout bounds one write, so that a connection that hangs does not hold up the others for good.
const writeTimeout = 10 * time.Second

// refusedRest is how long an entry rests after the API server said no: long enough for the watch to show why.
const refusedRest = time.Minute

// outcome is how a write ended; also the label of a metric.
type outcome string

const (
	written   outcome = "written"   // or nothing was left to write
	refused   outcome = "refused"   // the status says something else than was thought, or it is another APIKey's
	gone      outcome = "gone"      // there is no such APIKey any more
	forbidden outcome = "forbidden" // the rights are missing, or a policy is against it
	failed    outcome = "failed"    // the API server did not say yes or no
)

// write writes the newest use of an entry over what its status is known to hold.
func (r *Recorder) write(ctx context.Context, e *entry) outcome {
	use := e.newest.Load()
	target := &metav1.PartialObjectMetadata{} // no more of the answer is of interest
	target.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	target.Namespace, target.Name = e.subject.Namespace, e.subject.Name

	patch, err := patchOf(e.subject.UID, e.stored, use)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		err = r.writer.Patch(limited, target, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(fieldManager))
	}
	result := outcomeOf(err)
	r.metrics.writes.WithLabelValues(string(result)).Inc()
	r.conclude(e, use, result)
	if err != nil && ctx.Err() == nil {
		r.complain(e, result, err)
	}

	return result
}

// conclude notes what a write has come to.
func (r *Recorder) conclude(e *entry, use int64, result outcome) {
	now := r.clock.Now()
	switch result {
	case written:
		e.stored, e.refused = use, nothing
		e.rest(now, Interval)
	case gone:
		r.drop(e)
	case refused:
		// Most likely another replica was first, and the watch will say so. If not, what was thought to be stored was
		// wrong, as after a restored backup: from here on only the watch counts.
		e.refused, e.stored = e.stored, never
		e.rest(now, refusedRest)
	case forbidden:
		e.rest(now, refusedRest)
	case failed: // the caller decides when to go on
	}
}

// complain logs why a write did not come about: what is all in a day's work for those who look for it,
// what somebody has to mend for all, but for one key out of many.
func (r *Recorder) complain(e *entry, result outcome, err error) {
	log := r.log.With("namespace", e.subject.Namespace, "name", e.subject.Name, "error", err)
	limit, limited := r.complaints[result]
	switch {
	case !limited:
		log.Debug("The last use was not written", "result", result)
	case limit.AllowN(r.clock.Now(), 1):
		log.Warn("Cannot write status.lastUsedAt. It is kept and tried again; other keys may have the same trouble", "result", result)
	}
}

// drop forgets an entry with what is pending: its APIKey is gone.
func (r *Recorder) drop(e *entry) {
	e.newest.Store(retired)
	r.remove(e)
}

// outcomeOf reads the API server's answer.
func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return written
	case apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		return gone // not so where the API server knows no such resource: the CRD may come back, with all its objects
	case apierrors.IsInvalid(err), apierrors.IsConflict(err), apierrors.IsBadRequest(err): // a test that fails is Invalid
		return refused
	case apierrors.IsForbidden(err):
		return forbidden
	default:
		return failed
	}
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string  `json:"op"`
	Path  string  `json:"path"`
	Value *string `json:"value"`
}

// patchOf sets status.lastUsedAt and nothing else, if this is the APIKey and the field says what it is thought to say.
// On a write by the operator in between, the API server applies the patch to what that has left, without a conflict.
// To the API server, a test for null holds where there is no such field.
func patchOf(uid types.UID, stored, use int64) ([]byte, error) {
	const path = "/status/lastUsedAt"
	var old *string
	if stored != never {
		old = new(timestamp(stored))
	}

	return json.Marshal([]operation{
		{Op: "test", Path: "/metadata/uid", Value: new(string(uid))},
		{Op: "test", Path: path, Value: old},
		{Op: "add", Path: path, Value: new(timestamp(use))},
	})
}

// timestamp is a time as metav1.Time writes it: the text is compared, not the time.
func timestamp(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
