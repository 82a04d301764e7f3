// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

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
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/certs"
	"github.com/apikey-operator/apikey-operator/internal/connlimit"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// Limits of time. Gateways answer from memory; whoever takes longer is no gateway, or its network is broken.
const (
	// oldestConnection is after how long a gRPC connection is ended, without an error, so that gateways that keep one for
	// ever find new replicas.
	oldestConnection = 10 * time.Minute
	// connectionGrace is how long requests on such a connection may still take.
	connectionGrace = time.Minute
	// oftenestPing is how often gateways may ask over gRPC whether the connection lives.
	oftenestPing = 5 * time.Second
	// idleTimeout is how long a connection stays open without a request. nginx keeps its own for a minute.
	idleTimeout = 2 * time.Minute
	// handshakeTimeout is how long a client may take from the connection to the end of the handshakes of TLS and HTTP/2.
	handshakeTimeout = 5 * time.Second
	// headerTimeout is how long a client may take to send the headers of a request. Over HTTP/1.1 it also limits the handshake of TLS.
	headerTimeout = 5 * time.Second
	// requestTimeout is how long a whole request may take, from its first byte to the last one of the answer.
	requestTimeout = 10 * time.Second
)

// Limits of size. With them the memory of all requests that are under way is bounded; see TestFloods.
const (
	// maxHeaders is how many bytes of headers a request over HTTP has at most. Envoy passes on up to 60 KiB.
	maxHeaders = 64 << 10
	// maxMessage is how many bytes a CheckRequest has at most: the same headers, and what Envoy says about the connection.
	maxMessage = 80 << 10
	// maxMetadata is how many bytes of headers a gRPC call has at most: none of them is the client's.
	maxMetadata = 16 << 10
	// maxStreams is how many requests one connection of HTTP/2 carries at once. Gateways open another one for more.
	maxStreams = 100
	// maxRequests is how many gRPC calls are under way at once on all connections.
	maxRequests = 1000
	// window is how many bytes of requests a connection of HTTP/2 may send ahead of being read.
	window = 64 << 10
	// maxObservers is how many connections the ports for metrics and probes keep at most.
	maxObservers = 50
	// maxObserverHeaders is how many bytes of headers a request for metrics or a probe has at most.
	maxObserverHeaders = 8 << 10
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
		make    func(listener *connlimit.Listener, source *certs.Source) *endpoint
	}{
		{p.options.grpcAddress, p.overGRPC},
		{p.options.httpAddress, p.overHTTP},
	} {
		if open.address == off {
			continue
		}
		listener, err := listenOn(ctx, open.address)
		if err != nil {
			return nil, fmt.Errorf("listen for gateways: %w", err)
		}
		source := p.certs
		if isUnix(open.address) { // its mode says who may ask
			source = nil
		}
		endpoints = append(endpoints, open.make(connlimit.Listen(listener, connlimit.Options{
			Connections: p.options.maxConnections, Requests: maxRequests, Clock: clock.RealClock{}, Evicted: p.observe.evicted,
		}), source))
	}

	return endpoints, nil
}

// overGRPC answers Envoy, and health checks (grpc.health.v1). There is no reflection: it would describe the server to anyone.
func (p *parts) overGRPC(listener *connlimit.Listener, source *certs.Source) *endpoint {
	options := []grpc.ServerOption{
		extauthz.Codec(),
		grpc.UnaryInterceptor(p.recoverPanics),
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))), //nolint:gosec // G115: processors are few
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: oftenestPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: idleTimeout, MaxConnectionAge: oldestConnection, MaxConnectionAgeGrace: connectionGrace,
		}),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxMetadata),
		grpc.MaxConcurrentStreams(maxStreams),
		// Fixed sizes: otherwise gRPC enlarges the windows of a client that sends much, up to 16 MiB.
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.InTapHandle(limitRequest),
	}
	if source != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(source.Config("h2"))))
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

// limitRequest bounds the number of calls that are under way, and the time of each: a client may announce a message and never
// send it.
func limitRequest(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if end, limited := ctx.Deadline(); !limited || end.Sub((clock.RealClock{}).Now()) > requestTimeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout) //nolint:gosec // G118: gRPC ends the parent with the stream
		_ = cancel
	}
	if from, ok := peer.FromContext(ctx); ok {
		if c := connlimit.Of(from.Addr); c != nil && c.Begin(ctx) != nil {
			return ctx, status.Error(codes.ResourceExhausted, "too many requests are under way")
		}
	}

	return ctx, nil
}

// noteAnswer tells the limit of connections that this one is of use.
func noteAnswer(ctx context.Context) {
	if from, ok := peer.FromContext(ctx); ok {
		if c := connlimit.Of(from.Addr); c != nil {
			c.Answered()
		}
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

	answer, err = handle(ctx, request)
	noteAnswer(ctx)

	return answer, err
}

// overHTTP answers every other gateway, over HTTP/1.1 and HTTP/2, also without TLS.
func (p *parts) overHTTP(listener *connlimit.Listener, source *certs.Source) *endpoint {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	var draining atomic.Bool
	handler := forwardauth.New(p.verifier)
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// The answer does not wait for a body: net/http would read one that was announced before it sends the answer, or
			// after that to keep the connection.
			if draining.Load() || r.ContentLength != 0 && r.ProtoMajor == 1 {
				w.Header()["Connection"] = []string{"close"}
			}
			handler.ServeHTTP(w, r)
		}),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: window, MaxReceiveBufferPerStream: window},
		MaxHeaderBytes:    maxHeaders,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         noteState,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn), // handshakes that fail, mostly
	}
	var listening net.Listener = listener
	if source != nil {
		s.TLSConfig = source.Config("h2", "http/1.1")
		listening = tls.NewListener(listener, s.TLSConfig)
	}

	return &endpoint{
		serve: func() error {
			if err := s.Serve(listening); !errors.Is(err, http.ErrServerClosed) {
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

// noteState tells the limit of connections that this one is of use: a request on it was answered.
func noteState(c net.Conn, state http.ConnState) {
	if state != http.StateIdle {
		return
	}
	if c := connlimit.Of(c.RemoteAddr()); c != nil {
		c.Answered()
	}
}
