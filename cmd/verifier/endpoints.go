// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

const (
	// oldestConnection is after how long a gRPC connection is ended, without an error, so that gateways that keep one for
	// ever find new replicas.
	oldestConnection = 10 * time.Minute
	// connectionGrace is how long requests on such a connection may still take.
	connectionGrace = time.Minute
	// oftenestPing is how often gateways may ask over gRPC whether the connection lives.
	oftenestPing = 5 * time.Second
	// idleTimeout is how long an HTTP connection stays open without a request. nginx keeps its own for a minute.
	idleTimeout = 2 * time.Minute
	// headerTimeout is how long a client may take to send the headers of a request.
	headerTimeout = 10 * time.Second
)

// endpoint is a server for gateways.
type endpoint struct {
	// serve answers until stop; it returns nil then.
	serve func() error
	// drain tells clients that can be told to look elsewhere.
	drain func()
	// stop ends it when the requests that have begun are answered, or when the context ends.
	stop func(ctx context.Context)
}

// listen opens both addresses.
func (p *parts) listen(ctx context.Context) ([]*endpoint, error) {
	var endpoints []*endpoint
	for _, open := range []struct {
		address string
		make    func(net.Listener) *endpoint
	}{
		{p.options.grpcAddress, p.overGRPC},
		{p.options.httpAddress, p.overHTTP},
	} {
		if open.address == off {
			continue
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", open.address)
		if err != nil {
			return nil, fmt.Errorf("listen for gateways: %w", err)
		}
		endpoints = append(endpoints, open.make(listener))
	}

	return endpoints, nil
}

// overGRPC answers Envoy, and health checks (grpc.health.v1). There is no reflection: it would describe the server to anyone.
func (p *parts) overGRPC(listener net.Listener) *endpoint {
	options := []grpc.ServerOption{
		extauthz.Codec(),
		grpc.UnaryInterceptor(p.recoverPanics),
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))), //nolint:gosec // G115: processors are few
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: oftenestPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: oldestConnection, MaxConnectionAgeGrace: connectionGrace}),
	}
	if p.certs != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(p.certs.Config("h2"))))
	}
	s := grpc.NewServer(options...)
	extauthz.New(p.verifier).Register(s)
	checks := health.NewServer()
	checks.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	healthv1.RegisterHealthServer(s, checks)

	return &endpoint{
		serve: func() error { return s.Serve(listener) },
		drain: checks.Shutdown,
		stop: func(ctx context.Context) {
			giveUp := context.AfterFunc(ctx, s.Stop)
			defer giveUp()
			s.GracefulStop()
		},
	}
}

// recoverPanics answers a call whose handler has panicked with an error, as net/http does, instead of ending the program.
func (p *parts) recoverPanics(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			p.log.ErrorContext(ctx, "A handler has panicked. This is a bug: please report it with this line.",
				"method", info.FullMethod, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			answer, err = nil, status.Error(codes.Internal, "the verifier has failed")
		}
	}()

	return handle(ctx, request)
}

// overHTTP answers every other gateway, over HTTP/1.1 and HTTP/2, also without TLS.
func (p *parts) overHTTP(listener net.Listener) *endpoint {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	var draining atomic.Bool
	handler := forwardauth.New(p.verifier)
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if draining.Load() {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn), // handshakes that fail, mostly
	}
	if p.certs != nil {
		s.TLSConfig = p.certs.Config("h2", "http/1.1")
		listener = tls.NewListener(listener, s.TLSConfig)
	}

	return &endpoint{
		serve: func() error {
			if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}

			return nil
		},
		// Not SetKeepAlivesEnabled: it closes idle connections on which a request may be under way.
		drain: func() { draining.Store(true) },
		stop: func(ctx context.Context) {
			if s.Shutdown(ctx) != nil {
				_ = s.Close() // what has not ended by now is cut off
			}
		},
	}
}
