// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ratelimit keeps the limits of API keys: how often a key may be used, counted per uid of its APIKey, so that
// rotating a key does not give it a new allowance.
//
// A key has a bucket that holds its burst and fills up evenly, at its requests in each period. A request takes one out,
// and one that finds the bucket empty is refused. That is the generic cell rate algorithm: nothing ticks in the
// background, for a bucket is one number, the time at which it is full again. A bucket that is full is as good as none,
// so only keys that were used lately take up memory.
//
//	Pace     pure: one limit in whole numbers, and the decision
//	Memory   the buckets of one replica
//	Shared   the buckets of all replicas, in Valkey or Redis; falls back to a Memory of its own
//
// A limit that cannot be looked up is no reason to refuse anybody. When the store does not answer within 10 ms, Shared
// decides by the replica's own buckets, which start out full: until the store is back, every replica grants the limit in
// full, so that n of them may together grant n times as much. After three failures in a row the store is left alone,
// and asked again with one request a second.
//
// What a store has counted when it fails stays counted there; what was granted meanwhile is not added to it. A request
// that timed out may count in both.
//
// A store is one server, or the address of whatever stands before several. Redis Cluster and Sentinel are not spoken.
package ratelimit
