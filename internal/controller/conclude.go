// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// Time limits of an attempt. A request that hangs must not delay an expiry, so work ends at the next deadline. It does not end before
// shortestWork, or a slow request would be cut off again and again.
const (
	shortestWork = 5 * time.Second
	longestWork  = 35 * time.Second // an admission webhook may take 30 s
	reportTime   = 10 * time.Second
	// attemptTimeout bounds a whole attempt, including its wait for the watch to deliver the operator's own last write.
	attemptTimeout = longestWork + 2*reportTime
)

// errTooSlow is the cause with which the requests of an attempt are cut off.
var errTooSlow = errors.New("the API server has not answered in time")

// workTime returns how long the work of an attempt may take.
func workTime(a *attempt) time.Duration {
	if deadline := lifecycle.NextWake(a.observed, a.now); deadline > 0 {
		return min(max(deadline, shortestWork), longestWork)
	}

	return longestWork
}

// conclude reports a failure in the status and returns when to reconcile again. Keys that were handed out come before first keys.
func (r *Reconciler) conclude(ctx context.Context, a *attempt, err error) (ctrl.Result, error) {
	result, err := r.next(ctx, a, err)
	if a.observed.APIKey.Status.LastRotation != nil && (err != nil || result.RequeueAfter > 0) {
		result.Priority = new(priorityAsked)
	}

	return result, err
}

// next reports a failure in the status and returns when to reconcile again.
func (r *Reconciler) next(ctx context.Context, a *attempt, err error) (ctrl.Result, error) {
	var gone *goneError
	if isConflict(err) || errors.Is(err, errNamespaceBehind) {
		if wait, lasting := r.Failures.conflicted(a.request, a.now); !lasting {
			return ctrl.Result{RequeueAfter: sooner(wait, r.nextWake(a))}, nil
		}
	}
	switch {
	case err == nil:
		r.Failures.over(a.request)
		wait := sooner(sooner(r.retryAfter(ctx, a), r.awaitCheck(a)), r.awaitWatch(a))

		return ctrl.Result{RequeueAfter: sooner(wait, r.wakeAfter(a))}, nil
	case errors.As(err, &gone): // the deletion is an event, unless an admission plugin gave the answer
		r.Failures.over(a.request)

		return ctrl.Result{RequeueAfter: goneDelay}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause): // the APIKey and its Secret are about to be deleted
		return ctrl.Result{RequeueAfter: r.nextWake(a)}, nil
	case errors.Is(context.Cause(ctx), context.Canceled): // the operator ends
		return ctrl.Result{}, err
	default:
		return ctrl.Result{}, errors.Join(err, r.reportFailure(ctx, a, err))
	}
}

// goneDelay is when to reconcile an APIKey again whose status write was answered with "not found".
const goneDelay = 10 * time.Second

// nextWake returns the time from now to the next deadline; zero: there is none.
func (r *Reconciler) nextWake(a *attempt) time.Duration {
	return lifecycle.NextWake(a.observed, r.Clock.Now())
}

// wakeAfter returns the time to the next deadline after the start of the attempt; zero: there is none. A deadline that has come during the
// attempt was not acted on, so it is due at once.
func (r *Reconciler) wakeAfter(a *attempt) time.Duration {
	wait := lifecycle.NextWake(a.observed, a.now)
	if wait == 0 {
		return 0
	}

	return max(wait-r.Clock.Since(a.now), time.Millisecond)
}

// reportFailure writes a failure into the status once it lasts. What is certain nevertheless, it writes at once.
func (r *Reconciler) reportFailure(ctx context.Context, a *attempt, err error) error {
	now := r.Clock.Now() // the key may have expired during the requests
	run := r.Failures.failed(a.request, now, lifecycle.NextWake(a.observed, now), err)
	failure := lifecycle.Failure{Message: stable(redacted(err.Error()))}
	var refusal *refusedError
	switch {
	case errors.As(err, &refusal):
		failure.Reason, failure.Announced = v1alpha1.ReasonRequestRefused, refusal.announced
		failure.Message = stable(redacted(refusal.Error()))
	case run.lasting(now):
		failure.Reason = v1alpha1.ReasonRequestFailed
		failure.Message = "A request of the operator fails and is retried: " + failure.Message
	}
	// The report has its own time limit, because that of the attempt may be used up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTime)
	defer cancel()
	report := r.writeStatus(ctx, a, lifecycle.Failed(a.observed, failure, now))
	if isConflict(report) || apierrors.IsNotFound(report) {
		return nil
	}

	return report
}

// retryAfter returns when to reconcile again where no event will follow.
func (r *Reconciler) retryAfter(ctx context.Context, a *attempt) time.Duration {
	if a.observed.Secret.State == lifecycle.SecretForeign && a.plan.Action == lifecycle.Block {
		return r.awaitSecret(ctx, a)
	}
	held := a.plan.Action == lifecycle.Block && a.plan.Reason == v1alpha1.ReasonGuardrailsMissing
	if held && !r.Guardrails.await(ctx, client.ObjectKeyFromObject(a.observed.APIKey), a.observed.Unguarded) {
		return conflictDelay
	}

	return a.plan.RetryAfter
}

// awaitSecret registers the APIKey to be queued when the conflicting Secret changes or is deleted. It returns when to reconcile in any case.
func (r *Reconciler) awaitSecret(ctx context.Context, a *attempt) time.Duration {
	r.Conflicts.await(a.request.NamespacedName, a.secret)
	if a.secret == nil || !isWatched(a.secret) {
		return a.plan.RetryAfter
	}
	// The watch of Secrets delivers changes of this Secret. A change from before the registration has queued nothing.
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.Metadata.Get(ctx, client.ObjectKeyFromObject(a.secret), meta)
	if err != nil || meta.ResourceVersion != a.secret.ResourceVersion {
		return conflictDelay
	}

	return a.plan.RetryAfter
}

// awaitWatch returns when to reconcile again if the watch has yet to deliver a Secret that was read and needed nothing; zero: it has. If the
// watch is interrupted and the Secret is deleted meanwhile, no event reports either. A status that was written is an event.
func (r *Reconciler) awaitWatch(a *attempt) time.Duration {
	if r.Watched == nil || a.secret == nil || a.plan.Action != lifecycle.Settle || r.Watched.Reached(a.secret.Namespace, a.secret.ResourceVersion) {
		return 0
	}

	return watchGrace
}

// awaitCheck vouches for a status that was checked, or returns when to check it.
func (r *Reconciler) awaitCheck(a *attempt) time.Duration {
	if a.checked() {
		if !r.Ledger.vouchesFor(a.observed.APIKey) {
			r.Ledger.vouch(a.observed.APIKey)
		}

		return 0
	}

	return max(r.Ledger.checkAt(a.observed.APIKey, a.now).Sub(a.now), time.Millisecond)
}

// reportDroppedRecords reports records that another writer had put into the status, once the status is without them.
func (r *Reconciler) reportDroppedRecords(ctx context.Context, a *attempt) {
	holds := func(id string) bool {
		return slices.ContainsFunc(a.observed.APIKey.Status.Keys, func(k v1alpha1.KeyRecord) bool { return k.ID == id })
	}
	var dropped, kept []string
	for _, id := range a.foreignRecords {
		if holds(id) {
			kept = append(kept, id)
		} else {
			dropped = append(dropped, id)
		}
	}
	a.foreignRecords = kept
	if len(dropped) > 0 {
		r.Reporter.reportDropped(ctx, a.observed.APIKey, dropped)
	}
}

// isConflict reports whether another writer came first.
func isConflict(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// sooner returns the smaller of two waits, where zero means no wait.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}

	return a
}
