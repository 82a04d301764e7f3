// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certs gives servers their certificate, and the authorities of their clients, from files that are replaced
// while the server runs.
//
// The verifier requires TLS except on loopback. --tls-self-signed lets a fresh installation work before it has a certificate: the
// connection is encrypted, and the log warns that a client cannot tell the verifier from an impostor. The gateway samples
// verify the certificate.
package certs
