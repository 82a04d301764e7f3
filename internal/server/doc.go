// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package server answers requests: it looks a credential up, decides, asks the rate limit, records the use, and logs and counts the
// answer. The packages extauthz and forwardauth read a request off the wire into a Request and write an Answer back; both share this
// core. table_test.go asks every row of the contract over both, in both forms of each.
//
// # What an endpoint needs
//
// The client decides nothing about what an endpoint needs. That comes from the gateway's own configuration: from
// context_extensions, or from the URL that the gateway requests.
//
// # One credential
//
// A request has exactly one credential. A second one, a comma-joined one, another scheme of Authorization beside X-API-Key, or a
// look-alike of X-API-Key (X_API_Key, x.api.key) is refused: gateway, verifier and API could each use a different one. An endpoint that
// names its header (credential) reads only that header; look-alikes and repetitions of it are refused as before, and every other
// header belongs to the API. Headers are collected before it is known which of them are credentials, since a CheckRequest may carry them
// before its context_extensions. Only headers that --credential-headers declares can be named: a misspelled one would refuse every
// request with "missing".
//
// Identity headers of the client are overwritten or removed, in every spelling that CGI-style servers map to the same
// header. x-apikey-permissions ends after 4 KiB, at a whole permission: 8 roles of 64 permissions would be 34 KiB, and most servers
// refuse headers beyond 8.
//
// # The log
//
// The log holds nothing that may be a key. Every text of every line, whether from the access log, an error, a panic, net/http, gRPC or a
// client library, is decoded to the end and then searched for the shape of a key and for long runs of letters and digits. The decoder
// covers percent-encoding (also %uXXXX), HTML entities, \xXX, \uXXXX, \NNN and full-width forms, in any mixture and up to
// sixteen in one another. Text that cannot be decoded to the end (deeper nesting, a "%" that begins no escape, bytes that are not UTF-8,
// more than 4 KiB) is cut at the last "/", since another reader might decode it. Not covered: ciphers, and encodings without long
// runs, such as a dot after each letter. Fields are truncated after they are escaped, so a line has at most 2 KiB.
//
// # Readiness and the end
//
// A stale verifier (see keyindex, --max-staleness) refuses with 503 and stays ready: without a ready replica gateways would refuse
// everything, also where --stale-action=pass is configured.
//
// The verifier ends in order: readiness and gRPC health fail, requests are still answered for --drain-delay, HTTP answers ask clients to
// close their connection, requests in progress finish, last uses are written.
package server
