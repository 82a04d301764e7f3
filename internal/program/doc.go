// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package program holds what the operator and the verifier share as programs: the command line, the log, and the endpoints for the
// cluster itself, which are metrics and probes.
//
// /metrics is served over TLS, to clients that may "get" the non-resource URL /metrics. The server asks the API server: a TokenReview
// says who the client is, a SubjectAccessReview whether it may. Clients without a right cannot turn scrapes into load:
//   - A request without a bearer token is refused without a call to the API server.
//   - The answer about a valid token is cached for a minute, and the one about a user for 30 seconds (denied) or 5 minutes (allowed).
//     That an API server calls a token invalid is not cached, and is answered 500 like any failure of a TokenReview.
//   - Tokens that were not accepted before reach the API server at most 5 times a second, after a burst of 10; other requests get 429.
//     Each of these may cost one TokenReview and one SubjectAccessReview, which are tried up to 5 times while the API server fails,
//     and one line in the log.
//   - Tokens that were accepted in the last 10 minutes are not held up by such a flood.
//   - 50 connections are open at most, and headers have at most 8 KiB.
//
// While the API server cannot be reached, tokens are accepted from the caches only; afterwards scrapes are answered 500. Nothing else
// in either program depends on these endpoints.
package program
