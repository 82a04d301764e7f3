// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
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

// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeys,verbs=list;watch
// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeys/status,verbs=update
// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeys/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler brings one APIKey at a time to what its spec declares.
type Reconciler struct {
	// APIKeys reads APIKeys, from a cache or not, and writes their status.
	APIKeys client.Client
	// Metadata reads the metadata of Secrets of SecretType, from a cache or not.
	Metadata client.Reader
	// Secrets reads and writes Secrets, never from a cache: a cached Secret is plaintext at rest in memory.
	Secrets client.Client
	// Policies reads APIKeyPolicies and the metadata of namespaces, from a cache or not. The controller does not change these objects.
	Policies client.Reader
	// Guardrails knows whether a key may be minted; nil: always.
	Guardrails *GuardrailMonitor
	// Watched is the progress of the watch behind Metadata; nil: Metadata is not a cache.
	Watched *HighWaterMark
	// Keys draws new keys.
	Keys keys.Generator
	// Clock tells the time.
	Clock clock.PassiveClock
	// Failures counts failed attempts; nil: each failure counts as the first.
	Failures *Failures
	// Conflicts queues APIKeys when the conflicting Secret is deleted; nil: they are reconciled every 30 seconds.
	Conflicts *Conflicts
	// Ledger knows which status this operator has written or checked; nil: it vouches for every one.
	Ledger *Ledger
	// Digests finds the other APIKeys that have a record of a key; nil: there is none.
	Digests *DigestIndex
	// Reporter emits events, logs and metrics for status changes.
	Reporter *Reporter
}

// attempt is the state of one reconciliation of one APIKey.
type attempt struct {
	request  ctrl.Request
	now      time.Time
	observed lifecycle.Observed
	// secret is the Secret that was read live; nil: it was not read, or does not exist.
	secret *corev1.Secret
	plan   lifecycle.Plan
	// secretRead is true once the Secret was looked up live.
	secretRead bool
	// foreignRecords are the ids of records that another writer has written.
	foreignRecords []string
	// guardrailsErr and policiesErr are why the guardrails and the policies could not be read.
	guardrailsErr, policiesErr error
}

// checked reports whether this operator vouches for the records that this attempt writes: it did before, the Secret was read, or the key
// has ended, so that no record is valid.
func (a *attempt) checked() bool {
	_, over := lifecycle.Ended(a.observed, a.now)

	return !a.observed.Unvouched || a.secretRead || over
}

// Reconcile observes, decides, applies and reports.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r.Ledger.start()
	apikey := &v1alpha1.APIKey{}
	if err := r.APIKeys.Get(ctx, req.NamespacedName, apikey); err != nil {
		if apierrors.IsNotFound(err) { // garbage collection takes the Secret
			r.Guardrails.forget(req.NamespacedName)
			r.Failures.over(req)
			r.Ledger.forget(req.NamespacedName)
			r.Conflicts.forget(req.NamespacedName)
		}

		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	a := &attempt{request: req, now: r.Clock.Now(), observed: lifecycle.Observed{APIKey: apikey}}

	return r.conclude(ctx, a, r.work(ctx, a))
}

// work observes, decides and applies, in a bounded time.
func (r *Reconciler) work(ctx context.Context, a *attempt) error {
	ctx, cancel := context.WithTimeoutCause(ctx, workTime(a), errTooSlow)
	defer cancel()

	if err := r.observe(ctx, a); err != nil {
		return err
	}
	a.plan = lifecycle.Decide(a.observed, a.now)
	if a.plan.Action == lifecycle.Read {
		if err := r.read(ctx, a); err != nil {
			return err
		}
		a.plan = lifecycle.Decide(a.observed, a.now)
	}
	ctrl.LoggerFrom(ctx).V(1).Info("Decided", "check", a.plan.Check, "action", a.plan.Action.String())
	if a.policiesErr != nil && a.plan.Action.NeedsPolicies() {
		return a.policiesErr
	}

	return r.apply(ctx, a)
}
