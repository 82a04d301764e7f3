// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lifecycle decides what happens to an API key. It is pure: it is told what there is and what time it is,
// it says what to do and what the status is afterwards, and it never sees a key, only digests.
//
// A key's records move through these states; every arrow is one status write under a resourceVersion precondition:
//
//	            announce                 promote                  replace, with overlap
//	(drawn) ───────────────▶ Pending ───────────────▶ Active ─────────────────────────▶ Retiring ──▶ (gone)
//	                            │                       │                                  ▲   notAfter passes
//	                            │ another one           │ replaced without overlap,        │
//	                            │ was promoted,         │ Secret deleted                   │
//	                            │ or fenced off         ▼                                  │
//	                            └───────────────────▶ (gone)         revoke, expire ───────┘ (all records, for good)
//
// Between announce and promote the Secret is written. Verifiers accept Pending, because from the moment of that write
// a workload may hold the key; they accept Active; and they accept Retiring until notAfter.
//
// The phase of the APIKey follows from its records:
//
//	Pending ──▶ Active ◀──▶ Suspended
//	   │           │             │
//	   └───────────┴─────────────┴──▶ Revoked | Expired      (final)
package lifecycle
