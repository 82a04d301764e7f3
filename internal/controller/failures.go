// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Waits between attempts after an error, doubling from firstRetry to lastRetry. Once the cause of the errors is gone, an APIKey waits at
// most lastRetry and the time of one attempt.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 20 * time.Second
)

// Waits after an attempt that the API server did not answer: outageRetry, and outageShare for each APIKey that waits likewise, so that all
// of them together make at most 100 attempts a second. The first attempt that succeeds has the others tried at once.
const (
	outageRetry = time.Second
	outageShare = 10 * time.Millisecond
	// outageJitter makes each wait up to half longer.
	outageJitter = 0.5
)

// A failure counts as lasting after lastingAttempts in a row or after lastingTime, whichever comes first.
const (
	lastingAttempts = 3
	lastingTime     = 30 * time.Second
)

// Waits after a conflict, doubling from conflictDelay. After lastingConflicts in a row a conflict counts as a failure, because an
// admission plugin can answer 409 for ever.
const (
	conflictDelay    = 100 * time.Millisecond
	lastingConflicts = 8
)

// Failures counts, for each APIKey, the attempts that have failed in a row. It is also the rate limiter of the queue, so an APIKey whose
// requests fail is retried at its next deadline if that comes before the end of the back-off. A nil *Failures remembers nothing.
type Failures struct {
	// Random draws the jitter of waits from 0 to 1; nil: math/rand/v2. A simulation repeats its histories with a source of its own.
	Random func() float64

	backOff workqueue.TypedRateLimiter[reconcile.Request]

	mu sync.Mutex
	of map[reconcile.Request]failure
	// cutOff are the APIKeys whose last attempt the API server did not answer.
	cutOff map[reconcile.Request]struct{}
	// queue is where they wait; nil: nobody queues them.
	queue workQueue
}

// failure is a run of attempts that have failed.
type failure struct {
	attempts, conflicts int
	since               time.Time
	// deadline is the time from the last attempt to the next deadline of the APIKey; zero: there is none.
	deadline time.Duration
}

// lasting reports whether the run is long enough to be reported.
func (f failure) lasting(now time.Time) bool {
	return f.attempts >= lastingAttempts || now.Sub(f.since) >= lastingTime
}

// NewFailures returns an empty Failures.
func NewFailures() *Failures {
	return &Failures{
		backOff: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		of:      map[reconcile.Request]failure{},
		cutOff:  map[reconcile.Request]struct{}{},
	}
}

// failed counts a failed attempt, notes the time to the next deadline, and returns the run.
func (f *Failures) failed(req reconcile.Request, now time.Time, deadline time.Duration, err error) failure {
	f.noteOutage(req, isOutage(err))

	return f.note(req, now, func(run *failure) {
		run.attempts++
		run.deadline = deadline
	})
}

// conflicted counts a conflict. It returns how long to wait, and whether there were too many in a row to be chance.
func (f *Failures) conflicted(req reconcile.Request, now time.Time) (wait time.Duration, lasting bool) {
	run := f.note(req, now, func(run *failure) { run.conflicts++ })

	return conflictDelay << (min(run.conflicts, lastingConflicts) - 1), run.conflicts >= lastingConflicts
}

func (f *Failures) note(req reconcile.Request, now time.Time, count func(*failure)) failure {
	run := failure{since: now}
	if f == nil {
		count(&run)

		return run
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if earlier, ok := f.of[req]; ok {
		run = earlier
	}
	count(&run)
	f.of[req] = run

	return run
}

// over ends the run of an APIKey: an attempt has succeeded, or the APIKey was deleted.
func (f *Failures) over(req reconcile.Request) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, req)
	if _, ok := f.cutOff[req]; !ok {
		return
	}
	for other := range f.cutOff { // the API server answers again
		if other != req && f.queue != nil {
			enqueue(f.queue, priorityAsked, other)
		}
	}
	clear(f.cutOff)
}

// noteOutage notes whether the API server has answered the last attempt.
func (f *Failures) noteOutage(req reconcile.Request, outage bool) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if outage {
		f.cutOff[req] = struct{}{}
	} else {
		delete(f.cutOff, req)
	}
}

// isOutage reports whether an error means that the API server, or its etcd, is not there or not ready. An API server reports the failure of
// an admission webhook with the code of a failure of its own; only its text differs.
func isOutage(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	if code == http.StatusInternalServerError && strings.Contains(err.Error(), "webhook") {
		return false
	}

	return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
}

// When returns the wait before the next attempt: to the end of the back-off, or to the next deadline if that is earlier.
// It implements workqueue.TypedRateLimiter.
func (f *Failures) When(req reconcile.Request) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	shared := outageRetry + time.Duration(len(f.cutOff))*outageShare
	delay := min(shared+time.Duration(f.random()*outageJitter*float64(shared)), lastRetry)
	if _, ok := f.cutOff[req]; !ok {
		delay = f.backOff.When(req)
	}
	if deadline := f.of[req].deadline; deadline > 0 {
		return min(delay, deadline)
	}

	return delay
}

func (f *Failures) random() float64 {
	if f.Random == nil {
		return rand.Float64() //nolint:gosec // G404: it spreads retries
	}

	return f.Random()
}

// Forget ends the back-off. It implements workqueue.TypedRateLimiter.
func (f *Failures) Forget(req reconcile.Request) { f.backOff.Forget(req) }

// NumRequeues returns how often the back-off has grown. It implements workqueue.TypedRateLimiter.
func (f *Failures) NumRequeues(req reconcile.Request) int { return f.backOff.NumRequeues(req) }
