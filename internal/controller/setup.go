// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Name is the name of the controller in logs, metrics and events.
const Name = "apikey-operator"

// Options of the controller.
type Options struct {
	// Keys draws new keys.
	Keys keys.Generator
	// Concurrency is how many APIKeys are reconciled at once; at least 1.
	Concurrency int
	// Clock tells the time.
	Clock clock.PassiveClock
	// OrphanGrace is how long an orphaned Secret stays; 0: the constant OrphanGrace.
	OrphanGrace time.Duration
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// Namespaces are those of CacheOptions; empty: all.
	Namespaces []string
	// RequireGuardrails makes minting wait until the guardrails at the API server are in force.
	RequireGuardrails bool
}

// CacheOptions narrow what the manager's cache holds. The server sends only Secrets of our type with the label that the operator sets, so
// a copy without the label costs no memory. It holds APIKeys and Secrets of these namespaces only; none: of all.
func CacheOptions(namespaces ...string) cache.Options {
	watched := map[string]cache.Config{}
	for _, namespace := range namespaces {
		watched[namespace] = cache.Config{}
	}

	return cache.Options{
		DefaultNamespaces: watched,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.APIKey{}: {Transform: stripAPIKey},
			&corev1.Secret{}: {
				Field:     fields.OneTermEqualSelector("type", v1alpha1.SecretType),
				Label:     labels.SelectorFromSet(labels.Set{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue}),
				Transform: stripSecret,
			},

			&v1alpha1.APIKeyPolicy{}:                                    {Transform: stripMetadata},
			&corev1.Namespace{}:                                         {Transform: stripNamespace},
			&admissionregistrationv1.ValidatingAdmissionPolicy{}:        {Label: isGuardrail(), Transform: stripMetadata},
			&admissionregistrationv1.ValidatingAdmissionPolicyBinding{}: {Label: isGuardrail(), Transform: stripMetadata},
		},
	}
}

// isGuardrail selects the objects that are labelled as guardrails.
func isGuardrail() labels.Selector {
	exists, err := labels.NewRequirement(guardrails.Label, selection.Exists, nil)
	utilruntime.Must(err)

	return labels.NewSelector().Add(*exists)
}

// ClientOptions make the manager's client wait, on a read, for the watch to deliver the operator's own writes. Without that, the attempt
// that follows a status write would act on the status from before the write, and repeat it.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}}
}

// Setup adds the controller to a manager that was made with CacheOptions and ClientOptions.
func Setup(mgr ctrl.Manager, opts Options) error {
	// A client without a cache: a Secret in a cache would be plaintext at rest in memory.
	secrets, err := client.NewWithWatch(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return fmt.Errorf("make the client for Secrets: %w", err)
	}
	announcer, err := NewReporter(mgr.GetEventRecorder(Name), opts.Registerer)
	if err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	failures, conflicts, inventory := NewFailures(), NewConflicts(secrets), NewInventory(opts.Clock)
	orphans := NewOrphans(secrets, mgr.GetCache(), clock.RealClock{}, mgr.GetEventRecorder(Name), cmp.Or(opts.OrphanGrace, OrphanGrace))
	if err := errors.Join(mgr.Add(conflicts), mgr.Add(orphans), opts.Registerer.Register(inventory)); err != nil {
		return fmt.Errorf("add conflicting and orphaned Secrets and the inventory: %w", err)
	}
	r := &Reconciler{
		APIKeys: mgr.GetClient(), Metadata: mgr.GetCache(), Secrets: secrets, Watched: NewHighWaterMark(opts.Namespaces...),
		Policies: mgr.GetCache(), Failures: failures, Conflicts: conflicts, Ledger: NewLedger(), Digests: NewDigestIndex(),
		Keys: opts.Keys, Clock: opts.Clock, Reporter: announcer,
	}
	apikeys := r.APIKeyHandler(inventory)
	b := ctrl.NewControllerManagedBy(mgr).
		Named(Name).
		Watches(&v1alpha1.APIKey{}, apikeys).
		Watches(&corev1.Secret{}, r.SecretHandler(orphans), builder.OnlyMetadata).
		WatchesRawSource(source.Channel(conflicts.queue, apikeys)).
		Watches(&v1alpha1.APIKeyPolicy{}, policyHandler(mgr.GetCache())).
		Watches(&corev1.Namespace{}, namespaceHandler(mgr.GetCache()), builder.OnlyMetadata).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: opts.Concurrency,
			ReconciliationTimeout:   attemptTimeout,
			EnableWarmup:            new(true), // a standby replica takes over with its cache filled
			RateLimiter:             failures,
			NewQueue: func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workQueue {
				failures.queue = NewFairQueue(name, limiter)

				return failures.queue
			},
		})
	if opts.RequireGuardrails {
		r.Guardrails = NewGuardrailMonitor(mgr.GetCache(), whoAmI(secrets), mgr.GetLogger().WithName("guardrails"))
		if err := opts.Registerer.Register(r.Guardrails); err != nil {
			return fmt.Errorf("register the metrics: %w", err)
		}
		b = b.Watches(&admissionregistrationv1.ValidatingAdmissionPolicy{}, r.Guardrails.Handler()).
			Watches(&admissionregistrationv1.ValidatingAdmissionPolicyBinding{}, r.Guardrails.Handler())
	}

	return b.Complete(r)
}
