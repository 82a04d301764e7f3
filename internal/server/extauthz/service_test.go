// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz_test

import (
	"context"
	"errors"
	"net"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The interceptors of a gRPC server see every call, and can refuse it.
func TestServicePassesInterceptorsOn(t *testing.T) {
	key := testkit.ForeignKey()
	service := extauthz.New(testkit.NewVerifier(t, key))
	var methods []string
	var refuse error
	g := grpc.NewServer(extauthz.Codec(), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if info.Server != service {
				t.Errorf("the server of a call is a %T", info.Server)
			}
			methods = append(methods, info.FullMethod)

			return next(ctx, request)
		},
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if refuse != nil {
				return nil, refuse
			}

			return next(ctx, request)
		},
	))
	service.Register(g)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := connection.Close(); err != nil {
			t.Error(err)
		}
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	request := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"environment": "Production"},
		Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Headers: map[string]string{"x-api-key": key}}},
	}}

	answer, err := authv3.NewAuthorizationClient(connection).Check(t.Context(), request)
	if err != nil || answer.GetStatus().GetCode() != 0 {
		t.Errorf("a call is answered %v, %v", answer, err)
	}
	refuse = errors.New("refused by an interceptor")
	if answer, err := authv3.NewAuthorizationClient(connection).Check(t.Context(), request); err == nil {
		t.Errorf("a call that an interceptor refuses is answered %v", answer)
	}
	if want := "/envoy.service.auth.v3.Authorization/Check"; len(methods) != 2 || methods[0] != want || methods[1] != want {
		t.Errorf("the interceptor has seen %v, want %s twice", methods, want)
	}
}
