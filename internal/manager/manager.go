// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manager wires the operator together: its command line, the controller-runtime manager, probes and metrics.
package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/informers"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/program"
)

// gcPercent is how much the heap may grow between two garbage collections. Nearly all of the heap is the cache, which lives long: at
// Go's default of 100, 20,000 settled APIKeys took 4.7 KiB each of resident memory, of which 2.5 KiB were in use.
const gcPercent = 50

// readyTimeout limits one readiness check. The kubelet's default is 1s.
const readyTimeout = 500 * time.Millisecond

// Run runs the operator until the context ends.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	health := informers.NewHealth(clock.RealClock{}, log)
	mgr, err := newManager(o, health, log)
	if err != nil {
		return err
	}
	if err := controller.Setup(mgr, controller.Options{
		Keys: keys.Generator{Prefix: o.keyPrefix}, Concurrency: o.concurrentReconciles,
		Clock: clock.RealClock{}, Registerer: metrics.Registry, RequireGuardrails: o.requireGuardrails,
		Namespaces: o.Namespaces,
	}); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	if err := errors.Join(addProbes(mgr, health), metrics.Registry.Register(health), addMetrics(mgr, o, log)); err != nil {
		return err
	}

	return controller.ExplainEnd(ctx, mgr, o.requireGuardrails, o.Namespaces, mgr.Start(ctx))
}

func newManager(o Options, health *informers.Health, log *slog.Logger) (ctrl.Manager, error) {
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		return nil, err
	}
	cfg, err := program.Cluster()
	if err != nil {
		return nil, err
	}
	kinds, err := mapper(nil, nil)
	if err != nil {
		return nil, err
	}
	caches := controller.CacheOptions(o.Namespaces...)
	caches.NewInformer = informers.NewFactory(informers.Options{Scheme: s, Mapper: kinds, Clock: clock.RealClock{}, Health: health}).New
	options := ctrl.Options{
		Scheme:                        s,
		MapperProvider:                mapper,
		Cache:                         caches,
		Client:                        controller.ClientOptions(),
		Metrics:                       metricsserver.Options{BindAddress: program.Off}, // see addMetrics
		HealthProbeBindAddress:        o.ProbeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              controller.Name + "." + v1alpha1.GroupName,
		LeaseDuration:                 &o.leaseDuration,
		RenewDeadline:                 &o.renewDeadline,
		RetryPeriod:                   &o.retryPeriod,
		Controller:                    config.Controller{CacheSyncTimeout: o.startTimeout},
		LeaderElectionReleaseOnCancel: true, // the process ends after Start, so the next leader need not wait
	}
	events := &leaseEvents{}
	if o.leaderElect {
		if options.LeaderElectionResourceLockInterface, err = newLease(cfg, o, events, log); err != nil {
			return nil, fmt.Errorf("prepare the leader election: %w", err)
		}
	}
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.Host, err)
	}
	events.manager = mgr

	return mgr, nil
}

// addMetrics serves the metrics of this program as the verifier serves its own.
func addMetrics(mgr ctrl.Manager, o Options, log *slog.Logger) error {
	evicted := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "apikey_operator_connections_evicted_total",
		Help: "Connections to /metrics that were closed because there were too many.",
	})
	if err := metrics.Registry.Register(evicted); err != nil {
		return err
	}
	server, err := program.NewMetricsServer(o.Metrics, program.MetricsSource{
		Gatherer: metrics.Registry, Evicted: evicted, Cluster: mgr.GetConfig(), Log: log,
	})
	if err != nil {
		return err
	}

	return errors.Join(mgr.Add(server),
		metrics.Registry.Register(program.NewSelfSignedGauge("apikey_operator", "metrics", server.SelfSigned)))
}

// addProbes adds /healthz, which always succeeds, and /readyz, which succeeds while the caches are filled and every watch is open. That holds
// for the leader and for a replica that stands by: with a broken watch neither can do the work.
func addProbes(mgr ctrl.Manager, health *informers.Health) error {
	synced := func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), readyTimeout)
		defer cancel()

		return errors.Join(filled(ctx, mgr.GetCache()), health.Check())
	}

	return errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced))
}

// errNotFilled is why a replica that has just started is not ready.
var errNotFilled = errors.New("the caches are not filled yet")

// filled returns an error until the caches know every APIKey and every Secret of an APIKey. WaitForCacheSync alone succeeds while there
// is no informer yet, which is so until the controller has made its own: a replica with many keys would be ready, and then not.
func filled(ctx context.Context, caches cache.Cache) error {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	for _, object := range []client.Object{&v1alpha1.APIKey{}, secret} {
		informer, err := caches.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		if !informer.HasSynced() {
			return errNotFilled
		}
	}
	if !caches.WaitForCacheSync(ctx) {
		return errNotFilled
	}

	return nil
}
