// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controller carries out what package lifecycle decides: it reads the APIKey and its Secret, applies one plan,
// and reports in status, events and metrics.
//
// Every write has a precondition, so several reconcilers may work on one object, restart anywhere or read a stale cache:
// the write that would do harm fails, and the next pass decides on what is there. See ARCHITECTURE.md, "The write protocol".
package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// conflictDelay is how long to wait after someone else's write before looking again. Their write is an event, too;
// this is for the case that it was delivered before the conflict was. It is as long for a watch that is behind another.
const conflictDelay = 100 * time.Millisecond

// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeys,verbs=get;list;watch
// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeys/status,verbs=update
// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeys/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update

// Reconciler brings one APIKey at a time to what its spec declares.
type Reconciler struct {
	// APIKeys reads APIKeys, from a cache or not, and writes their status.
	APIKeys client.Client
	// Metadata reads the metadata of Secrets of SecretType, from a cache or not.
	Metadata client.Reader
	// Secrets reads and writes Secrets, never from a cache: a cached Secret is plaintext at rest in memory.
	Secrets client.Client
	// Policies reads APIKeyPolicies and the metadata of namespaces, from a cache or not. It changes nothing that it gets.
	Policies client.Reader
	// Guardrails says whether a key may be minted; nil: always.
	Guardrails *Gate
	// Watched says how far the watch behind Metadata has come; nil: Metadata is not a cache.
	Watched *Frontier
	// Keys draws new keys.
	Keys keys.Generator
	// Clock tells the time.
	Clock clock.PassiveClock
	// Announcer tells people and meters what has happened to a key.
	Announcer *Announcer
}

// pass is one look at one APIKey.
type pass struct {
	now      time.Time
	observed lifecycle.Observed
	// secret is the Secret as it was read live; nil: it was not, or there is none.
	secret *corev1.Secret
	plan   lifecycle.Plan
	// ungated is why nobody knows whether the guardrails are in force.
	ungated error
}

// Reconcile observes, decides, applies and reports.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	key := &v1alpha1.APIKey{}
	if err := r.APIKeys.Get(ctx, req.NamespacedName, key); err != nil {
		r.Guardrails.forget(req.NamespacedName)

		return ctrl.Result{}, client.IgnoreNotFound(err) // gone: garbage collection takes the Secret
	}
	p := &pass{now: r.Clock.Now(), observed: lifecycle.Observed{Key: key}}

	err := r.observe(ctx, p)
	if err == nil {
		p.plan = lifecycle.Decide(p.observed, p.now)
	}
	if err == nil && p.plan.Action == lifecycle.Read {
		if err = r.read(ctx, p); err == nil {
			p.plan = lifecycle.Decide(p.observed, p.now)
		}
	}
	if err == nil {
		ctrl.LoggerFrom(ctx).V(1).Info("Decided", "check", p.plan.Check, "action", p.plan.Action.String())
		err = r.apply(ctx, p)
	}

	return r.conclude(ctx, p, err)
}

// conclude reports a failure in the status and says when to look again.
func (r *Reconciler) conclude(ctx context.Context, p *pass, err error) (ctrl.Result, error) {
	var refusal *refusedError
	switch {
	case err == nil:
		return ctrl.Result{RequeueAfter: sooner(r.retryAfter(ctx, p), lifecycle.NextWake(p.observed, p.now))}, nil
	case isConflict(err), errors.Is(err, errNamespaceBehind):
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ctrl.Result{}, nil // the APIKey is about to go, and the Secret with it
	case errors.As(err, &refusal):
		status := lifecycle.Refused(p.observed, refusal.announced, refusal.Error(), p.now)
		if report := r.writeStatus(ctx, p, status); report != nil && !isConflict(report) {
			err = errors.Join(err, report)
		}
	}

	return ctrl.Result{}, err
}

// retryAfter is when to look again where no event will tell.
func (r *Reconciler) retryAfter(ctx context.Context, p *pass) time.Duration {
	held := p.plan.Action == lifecycle.Block && p.plan.Reason == v1alpha1.ReasonGuardrailsMissing
	if held && !r.Guardrails.await(ctx, client.ObjectKeyFromObject(p.observed.Key), p.observed.Unguarded) {
		return conflictDelay
	}

	return p.plan.RetryAfter
}

// refusedError is the API server's definite no. The request was not carried out and would not be if it were repeated
// unless somebody changes something, so that it is worth a condition; other failures are only worth another try.
type refusedError struct {
	// announced is the digest of the key that the refused write would have handed out; empty: it was not about a key.
	announced string
	what      string
	cause     error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("The API server refused to %s: %v", e.what, e.cause)
}
func (e *refusedError) Unwrap() error { return e.cause }

// asRefused makes a refusedError of an error that is one, and says in others what was tried.
func asRefused(err error, announced, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return err
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return &refusedError{announced: announced, what: what, cause: err}
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// isConflict says whether somebody else's write came first.
func isConflict(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// sooner is the smaller of two waits, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}

	return a
}
