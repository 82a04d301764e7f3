// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/connlimit"
)

// Limits of an Endpoint. Kubelets and Prometheus need a few connections and short headers; a token has 1 or 2 KiB.
const (
	maxConnections = 50
	maxHeaders     = 8 << 10
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	idleTimeout    = 2 * time.Minute
)

// Endpoint is an HTTP server for clients of the cluster itself: kubelets and Prometheus.
type Endpoint struct {
	// Address is host:port; Off: the endpoint does not exist.
	Address string
	Handler http.Handler
	// TLS is the TLS configuration; nil: plain HTTP.
	TLS *tls.Config
	// Evicted counts connections that were closed to make room.
	Evicted prometheus.Counter
	// Log takes errors of connections.
	Log *slog.Logger
}

// Run serves until the context ends. It does not wait for requests that are under way: clients of an Endpoint ask again.
func (e *Endpoint) Run(ctx context.Context) error {
	if e.Address == Off {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", e.Address)
	if err != nil {
		return fmt.Errorf("listen for metrics or probes: %w", err)
	}
	listener = connlimit.Listen(listener, connlimit.Options{Connections: maxConnections, Clock: clock.RealClock{}, Evicted: e.Evicted})
	if e.TLS != nil {
		listener = tls.NewListener(listener, e.TLS)
	}
	s := &http.Server{
		Handler: e.Handler, MaxHeaderBytes: maxHeaders, ConnState: connlimit.NoteState,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
		ErrorLog: ServerLog(e.Log, clock.RealClock{}),
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}
