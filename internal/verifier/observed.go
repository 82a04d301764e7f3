// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/connlimit"
)

// observed is what the verifier shows of itself to the cluster: metrics and probes. It tells nothing about any key.
type observed struct {
	metricsAddress, probeAddress string
	metrics, probes              http.Handler
	// evicted counts the connections of gateways that were closed to make room.
	evicted prometheus.Counter
	// ready: every APIKey has been seen, and the verifier was not asked to stop.
	ready atomic.Bool
}

func newObserved(o options, registry *prometheus.Registry) *observed {
	s := &observed{metricsAddress: o.metricsAddress, probeAddress: o.probeAddress, evicted: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "apikey_verifier_connections_evicted_total",
		Help: "Connections that were closed because there were more than --max-connections, or too many requests under way.",
	})}
	registry.MustRegister(s.evicted)
	metrics, probes := http.NewServeMux(), http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	probes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	probes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "not ready: not every APIKey has been seen yet, or the verifier is about to stop", http.StatusServiceUnavailable)

			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	s.metrics, s.probes = metrics, probes

	return s
}

// run answers until the context ends. It is not drained: whoever asks, asks again.
func (s *observed) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveUntil(ctx, s.metricsAddress, s.metrics, s.evicted) })
	group.Go(func() error { return serveUntil(ctx, s.probeAddress, s.probes, s.evicted) })

	return group.Wait()
}

func serveUntil(ctx context.Context, address string, handler http.Handler, evicted prometheus.Counter) error {
	if address == off {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for metrics and probes: %w", err)
	}
	s := &http.Server{
		Handler: handler, MaxHeaderBytes: maxObserverHeaders, ConnState: noteState,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
	}
	listener = connlimit.Listen(listener, connlimit.Options{Connections: maxObservers, Clock: clock.RealClock{}, Evicted: evicted})
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}
