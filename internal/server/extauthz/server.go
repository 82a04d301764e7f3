// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package extauthz answers Envoy's external authorization over gRPC (envoy.service.auth.v3).
//
// What an endpoint needs comes from the context_extensions of the gateway's own configuration. Of the client's request
// nothing counts but its credential.
package extauthz

import (
	"context"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// Verifier decides requests.
type Verifier interface {
	// Verify decides a request.
	Verify(ctx context.Context, request *server.Request) server.Answer
}

// Server is the gRPC service envoy.service.auth.v3.Authorization.
type Server struct {
	authv3.UnimplementedAuthorizationServer

	verifier Verifier
	refusals refusals
	headers  headers
}

// New makes a Server; RegisterAuthorizationServer of the generated code adds it to a gRPC server.
func New(verifier Verifier) *Server {
	return &Server{verifier: verifier, refusals: newRefusals(), headers: newHeaders()}
}

// Check decides one request. It always answers: what makes no sense is refused.
func (s *Server) Check(ctx context.Context, check *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	var request server.Request
	for name, value := range check.GetAttributes().GetContextExtensions() {
		request.Needs.Set(name, value)
	}
	http := check.GetAttributes().GetRequest().GetHttp()
	request.Method, request.Host, request.Path = http.GetMethod(), http.GetHost(), http.GetPath()
	seen := readHeaders(&request.Credential, http.GetHeaders(), http.GetHeaderMap().GetHeaders())

	answer := s.verifier.Verify(ctx, &request)
	if !answer.Allowed() {
		return s.refusals.of(&answer), nil
	}

	return s.headers.allowed(&answer, &seen), nil
}

// sight is what the headers of a request showed beside its credential.
type sight struct {
	// authorization and apiKey: there was such a header.
	authorization, apiKey bool
	// path: the pseudo-header :path was there, so the gateway has sent all headers, and not those of a list.
	path bool
	// forged are the client's headers that only the verifier may set.
	forged []string
}

// readHeaders reads either form in which Envoy sends headers: a map, where those of one name are joined by commas,
// or, with encode_raw_headers, a list.
func readHeaders(credential *server.Credential, byName map[string]string, list []*corev3.HeaderValue) sight {
	var seen sight
	for name, value := range byName {
		seen.read(credential, name, value)
	}
	for _, header := range list {
		value := header.GetValue()
		if value == "" {
			value = string(header.GetRawValue())
		}
		seen.read(credential, header.GetKey(), value)
	}

	return seen
}

func (s *sight) read(credential *server.Credential, name, value string) {
	switch server.KindOf(name) {
	case server.Authorization:
		s.authorization = true
		credential.Authorization(value)
	case server.APIKey:
		s.apiKey = true
		credential.APIKey(value)
	case server.APIKeyLookAlike:
		credential.LookAlike()
	case server.ClientIdentity:
		s.forged = append(s.forged, name)
	default:
		s.path = s.path || name == ":path"
	}
}
