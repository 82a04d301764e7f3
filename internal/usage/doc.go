// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package usage maintains status.lastUsedAt of APIKeys: it records each use in memory and writes the newest ones in batches.
//
// Every request records a use: one look-up and one atomic load, without a lock and without waiting. Writing is bounded: at most one
// write for each key in Interval, and a budget for all keys together. While the API server is unreachable, uses stay in memory.
//
// Several verifiers write the same field. Each write is a JSON patch that tests the uid and the old value: the newest use wins among
// replicas, and a use is never written to a later APIKey of the same name. A clean shutdown writes pending uses at once, also within
// Interval.
package usage
