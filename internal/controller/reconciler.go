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
	// Policies reads APIKeyPolicies and the metadata of namespaces, from a cache or not. It changes nothing that it gets.
	Policies client.Reader
	// Guardrails says whether a key may be minted; nil: always.
	Guardrails *GuardrailMonitor
	// Watched says how far the watch behind Metadata has come; nil: Metadata is not a cache.
	Watched *HighWaterMark
	// Keys draws new keys.
	Keys keys.Generator
	// Clock tells the time.
	Clock clock.PassiveClock
	// Failures counts attempts that have failed; nil: each failure passes for the first.
	Failures *Failures
	// Conflicts queues APIKeys when the Secret that is in their way goes; nil: they look again every 30 seconds.
	Conflicts *Conflicts
	// Ledger knows which status this operator has written or checked; nil: it vouches for every one.
	Ledger *Ledger
	// Digests finds the other APIKeys that have a record of a key; nil: there is none.
	Digests *DigestIndex
	// Reporter emits events, logs and metrics for status changes.
	Reporter *Reporter
}

// pass is one look at one APIKey.
type pass struct {
	request  ctrl.Request
	now      time.Time
	observed lifecycle.Observed
	// secret is the Secret as it was read live; nil: it was not, or there is none.
	secret *corev1.Secret
	plan   lifecycle.Plan
	// wasRead says that the Secret was looked for live.
	wasRead bool
	// doubtful are the ids of the records that somebody else has written.
	doubtful []string
	// ungated is why nobody knows whether the guardrails are in force, unruled why nobody knows the policies for the key.
	ungated, unruled error
}

// checked says whether what a status write of this pass says of keys is this operator's word: it was before, the Secret was
// read, or the key has ended, and no record is valid.
func (p *pass) checked() bool {
	_, over := lifecycle.Ended(p.observed, p.now)

	return !p.observed.Unvouched || p.wasRead || over
}

// Reconcile observes, decides, applies and reports.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r.Ledger.start()
	key := &v1alpha1.APIKey{}
	if err := r.APIKeys.Get(ctx, req.NamespacedName, key); err != nil {
		if apierrors.IsNotFound(err) { // garbage collection takes the Secret
			r.Guardrails.forget(req.NamespacedName)
			r.Failures.over(req)
			r.Ledger.forget(req.NamespacedName)
			r.Conflicts.forget(req.NamespacedName)
		}

		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p := &pass{request: req, now: r.Clock.Now(), observed: lifecycle.Observed{APIKey: key}}

	return r.conclude(ctx, p, r.work(ctx, p))
}

// work observes, decides and applies, in a bounded time.
func (r *Reconciler) work(ctx context.Context, p *pass) error {
	ctx, cancel := context.WithTimeoutCause(ctx, workTime(p), errTooSlow)
	defer cancel()

	if err := r.observe(ctx, p); err != nil {
		return err
	}
	p.plan = lifecycle.Decide(p.observed, p.now)
	if p.plan.Action == lifecycle.Read {
		if err := r.read(ctx, p); err != nil {
			return err
		}
		p.plan = lifecycle.Decide(p.observed, p.now)
	}
	ctrl.LoggerFrom(ctx).V(1).Info("Decided", "check", p.plan.Check, "action", p.plan.Action.String())
	if p.unruled != nil && p.plan.Action.NeedsPolicies() {
		return p.unruled
	}

	return r.apply(ctx, p)
}
