// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"

	"github.com/apikey-operator/apikey-operator/internal/certs"
)

// metricsPath is the non-resource URL that clients must be allowed to get.
const metricsPath = "/metrics"

// MetricsOptions say where and to whom metrics are served.
type MetricsOptions struct {
	// Address is host:port; Off: metrics are not served.
	Address string
	// Secure serves over TLS, and only to clients that may get the non-resource URL /metrics.
	Secure bool
	// CertDir has tls.crt and tls.key; empty, or as long as it has none: the certificate is self-signed.
	CertDir string
}

// MetricsSource is what a MetricsServer needs beside its options. All fields are required.
type MetricsSource struct {
	// Gatherer has the metrics.
	Gatherer prometheus.Gatherer
	// Evicted counts connections that were closed to make room.
	Evicted prometheus.Counter
	// Cluster reaches the API server that knows clients and their rights.
	Cluster *rest.Config
	// Log takes what goes wrong.
	Log *slog.Logger
}

// MetricsServer serves /metrics. It is a Runnable of a controller-runtime manager.
type MetricsServer struct {
	endpoint Endpoint
	certs    *certs.Source // nil: plain HTTP
}

// NewMetricsServer makes a MetricsServer. It fails if the files of the certificate are wrong.
func NewMetricsServer(o MetricsOptions, from MetricsSource) (*MetricsServer, error) {
	s := &MetricsServer{endpoint: Endpoint{Address: o.Address, Evicted: from.Evicted, Log: from.Log}}
	handler := promhttp.HandlerFor(from.Gatherer, promhttp.HandlerOpts{})
	if o.Secure && o.Address != Off {
		var err error
		if s.certs, err = certs.Open(certs.Options{Dir: o.CertDir, SelfSigned: true, Clock: clock.RealClock{}, Log: from.Log}); err != nil {
			return nil, fmt.Errorf("--metrics-cert-dir: %w", err)
		}
		// HTTP/2 stays off: metrics need none of it, and its stream resets are a way to exhaust a server (CVE-2023-44487).
		s.endpoint.TLS = s.certs.Config("http/1.1")
		if handler, err = authorized(handler, from); err != nil {
			return nil, fmt.Errorf("secure the metrics: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, handler)
	s.endpoint.Handler = mux

	return s, nil
}

// authorized puts the authentication and authorization of clients before a handler.
func authorized(handler http.Handler, from MetricsSource) (http.Handler, error) {
	client, err := rest.HTTPClientFor(from.Cluster)
	if err != nil {
		return nil, err
	}
	filter, err := filters.WithAuthenticationAndAuthorization(from.Cluster, client)
	if err != nil {
		return nil, err
	}
	if handler, err = filter(logr.FromSlogHandler(from.Log.Handler()), handler); err != nil {
		return nil, err
	}

	return newTokenLimit(clock.RealClock{}).before(handler), nil
}

// Start serves until the context ends. It implements manager.Runnable.
func (s *MetricsServer) Start(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.endpoint.Run(ctx) })
	if s.certs != nil {
		group.Go(func() error { return s.certs.Run(ctx) })
	}

	return group.Wait()
}

// SelfSigned reports whether scrapers are shown a self-signed certificate.
func (s *MetricsServer) SelfSigned() bool { return s.certs != nil && s.certs.SelfSigned() }

// NewSelfSignedGauge returns a metric that is 1 while clients of an endpoint are shown a self-signed certificate. The prefix is that of
// the metrics of the program.
func NewSelfSignedGauge(prefix, endpoint string, selfSigned func() bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        prefix + "_certificate_self_signed",
		Help:        "1 while the certificate of this endpoint is self-signed: clients cannot tell the server from an impostor.",
		ConstLabels: prometheus.Labels{"endpoint": endpoint},
	}, func() float64 {
		if selfSigned() {
			return 1
		}

		return 0
	})
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica has metrics.
func (s *MetricsServer) NeedLeaderElection() bool { return false }
