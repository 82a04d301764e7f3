// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package forwardauth answers gateways that ask over HTTP whether a request may pass: nginx's auth_request, Caddy's and
// Traefik's forward authentication, HAProxy, and Envoy's or Gateway API's HTTP form of external authorization.
// Success is exactly 200.
//
// What an endpoint needs is part of the URL that the gateway's own configuration names, in one of two forms:
//
//	/verify?environment=Production&permission=customers:read                     the gateway requests this URL
//	/verify/environment=Production&permission=customers:read/the/path?the=query  the gateway puts the first part before the client's
//
// Envoy over HTTP, Istio and Gateway API use the second form: everything from the slash on is the client's, and decides nothing. A
// gateway may pass on a client path without a leading slash ("x/", "*", ":write/"), which would then lengthen the last value. So the
// gateway's part ends with a semicolon, after which only a path is accepted:
//
//	/verify/environment=Production&permission=customers:read;/the/path?the=query
//
// Paths are not cleaned: ".." has no meaning here.
package forwardauth
