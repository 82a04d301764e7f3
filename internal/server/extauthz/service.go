// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz

import (
	"context"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto" // also adds the codec that the one here builds on
	"google.golang.org/grpc/mem"
)

// Codec returns the codec that a gRPC server needs for Register. It leaves other messages, and all answers, to the usual codec.
func Codec() grpc.ServerOption {
	return grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(proto.Name)})
}

// Register adds the service to a gRPC server that was made with Codec.
func (s *Server) Register(to grpc.ServiceRegistrar) {
	to.RegisterService(&grpc.ServiceDesc{
		ServiceName: authv3.Authorization_ServiceDesc.ServiceName,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Check",
			Handler:    s.handle,
		}},
		Metadata: authv3.Authorization_ServiceDesc.Metadata,
	}, s)
}

// handle answers one call of Check, through the interceptors of the gRPC server.
// The signature is that of grpc.MethodHandler.
//
//nolint:revive // context-as-argument: gRPC puts the service first
func (s *Server) handle(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	q := &checkRequest{credentials: s.verifier.Credentials()}
	if err := decode(q); err != nil {
		return nil, err
	}
	if intercept == nil {
		return s.answer(ctx, q), nil
	}

	return intercept(ctx, q, &grpc.UnaryServerInfo{Server: s, FullMethod: authv3.Authorization_Check_FullMethodName},
		func(ctx context.Context, _ any) (any, error) { return s.answer(ctx, q), nil })
}

// codec reads a checkRequest from the buffers of the connection.
type codec struct{ encoding.CodecV2 }

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, message any) error {
	q, ok := message.(*checkRequest)
	if !ok {
		return c.CodecV2.Unmarshal(data, message)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()

	return q.unmarshal(whole.ReadOnlyData())
}
