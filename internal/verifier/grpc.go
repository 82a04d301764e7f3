// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

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
)

// newGRPCServer makes the server for Envoy. It also answers health checks (grpc.health.v1), and offers no reflection, which would
// describe the server to every client.
func (c *components) newGRPCServer(listener *connlimit.Listener, source *certs.Source) *gatewayServer {
	options := []grpc.ServerOption{
		extauthz.Codec(),
		grpc.UnaryInterceptor(c.recoverPanics),
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))), //nolint:gosec // G115: processors are few
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: idleTimeout, MaxConnectionAge: maxConnectionAge, MaxConnectionAgeGrace: maxConnectionAgeGrace,
		}),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxMetadata),
		grpc.MaxConcurrentStreams(maxStreams),
		// By default gRPC enlarges the windows of a client that sends much, up to 16 MiB.
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.InTapHandle(limitRequest),
	}
	if source != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(source.Config("h2"))))
	}
	s := grpc.NewServer(options...)
	extauthz.New(c.core).Register(s)
	checks := health.NewServer()
	checks.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	healthv1.RegisterHealthServer(s, checks)

	return &gatewayServer{
		serve: func() error { return s.Serve(listener) },
		drain: checks.Shutdown,
		stop: func(ctx context.Context) {
			cancelStop := context.AfterFunc(ctx, s.Stop)
			defer cancelStop()
			s.GracefulStop()
		},
	}
}

// limitRequest limits the number of concurrent calls and the time of each: a client may announce a message and never send it.
func limitRequest(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if end, limited := ctx.Deadline(); !limited || end.Sub((clock.RealClock{}).Now()) > requestTimeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout) //nolint:gosec // G118: gRPC ends the parent with the stream
		_ = cancel
	}
	if connection := connectionOf(ctx); connection != nil && connection.Begin(ctx) != nil {
		return ctx, status.Error(codes.ResourceExhausted, "too many requests are under way")
	}

	return ctx, nil
}

// connectionOf returns the connection of a gRPC call; nil: it belongs to no connlimit.Listener.
func connectionOf(ctx context.Context) *connlimit.Conn {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}

	return connlimit.Of(from.Addr)
}

// recoverPanics answers a call whose handler panics with an error instead of ending the process, as net/http does.
func (c *components) recoverPanics(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			c.log.ErrorContext(ctx, "A handler has panicked. This is a bug: please report it with this line.",
				"method", info.FullMethod, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			answer, err = nil, status.Error(codes.Internal, "the verifier has failed")
		}
	}()

	answer, err = handle(ctx, request)
	if connection := connectionOf(ctx); connection != nil {
		connection.Answered()
	}

	return answer, err
}
