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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
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
	mgr, err := newManager(o)
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
	if err := errors.Join(addProbes(mgr), addMetrics(mgr, o, log)); err != nil {
		return err
	}

	return controller.ExplainEnd(ctx, mgr, o.requireGuardrails, o.Namespaces, mgr.Start(ctx))
}

func newManager(o Options) (ctrl.Manager, error) {
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		return nil, err
	}
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (--kubeconfig, $KUBECONFIG, or a pod's service account): %w", err)
	}
	cfg.QPS = -1 // the API server's priority and fairness limits the rate

	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                        s,
		Cache:                         controller.CacheOptions(o.Namespaces...),
		Client:                        controller.ClientOptions(),
		Metrics:                       metricsserver.Options{BindAddress: program.Off}, // see addMetrics
		HealthProbeBindAddress:        o.ProbeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              controller.Name + "." + v1alpha1.GroupName,
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		Controller:                    config.Controller{CacheSyncTimeout: o.startTimeout},
		LeaderElectionReleaseOnCancel: true, // the process ends after Start, so the next leader need not wait
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.Host, err)
	}

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

	return mgr.Add(server)
}

// addProbes adds /healthz, which always succeeds, and /readyz, which succeeds once the caches are filled, also on a standby replica:
// before that it cannot replace the leader.
func addProbes(mgr ctrl.Manager) error {
	synced := func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), readyTimeout)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the caches are not filled yet")
		}

		return nil
	}

	return errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced))
}
