// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certs provides the certificate of a TLS server, and the authorities of its clients, from files that are replaced
// while the server runs.
//
// The verifier requires TLS for gateways except on loopback. --tls-self-signed lets a fresh installation work before it has a certificate: the
// connection is encrypted, and the log warns that a client cannot tell the verifier from an impostor. The gateway samples
// verify the certificate. The metrics of both programs use a self-signed certificate unless there is another.
package certs
