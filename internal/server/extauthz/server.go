// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz

import (
	"context"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// Server is the gRPC service envoy.service.auth.v3.Authorization.
type Server struct {
	verifier *server.Verifier
	refusals refusals
	headers  headers
}

// New makes a Server; Register adds it to a gRPC server.
func New(verifier *server.Verifier) *Server {
	return &Server{verifier: verifier, refusals: newRefusals(verifier.Credentials()), headers: newHeaders(verifier.Credentials())}
}

// Check decides one CheckRequest, as it comes over the wire. It returns an error only if wire is no CheckRequest.
func (s *Server) Check(ctx context.Context, wire []byte) (*authv3.CheckResponse, error) {
	q := &checkRequest{credentials: s.verifier.Credentials()}
	if err := q.unmarshal(wire); err != nil {
		return nil, err
	}

	return s.answer(ctx, q), nil
}

func (s *Server) answer(ctx context.Context, q *checkRequest) *authv3.CheckResponse {
	answer := s.verifier.Verify(ctx, &q.request)
	if !answer.Allowed() {
		return s.refusals.of(&answer)
	}

	return s.headers.allowed(&answer, &q.seen)
}
