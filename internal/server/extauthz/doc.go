// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package extauthz answers Envoy's external authorization over gRPC (envoy.service.auth.v3).
//
// What an endpoint needs comes from the context_extensions of the gateway's own configuration. Of the client's request only the
// credential matters.
//
// The package decodes the bytes of a CheckRequest itself, as far as they matter: the generated code makes maps of all headers, which
// took more time than everything else together. BenchmarkCheck measures it, and FuzzWire compares the result with that of the
// generated code.
//
// The verifier sees the client's headers and removes the identity headers among them. A gateway that sends only a list of headers is
// recognized by the absence of :path; then the answer removes every possible spelling.
package extauthz
