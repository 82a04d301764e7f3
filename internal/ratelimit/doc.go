// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ratelimit keeps the limits of API keys: how often a key may be used, counted per uid of its APIKey, so that
// rotating a key does not give it a new allowance.
//
// A key has a bucket that holds its burst and fills up evenly, at its requests in each period. A request takes one out,
// and one that finds the bucket empty is refused. That is the generic cell rate algorithm: nothing ticks in the
// background, for a bucket is one number, the time at which it is full again. A bucket that is full is as good as none,
// so only keys that were used lately take up memory. A request counts only if it passes every other check.
//
//	Pace     pure: one limit in nanoseconds, and the decision
//	Memory   the buckets of one replica
//	Shared   the buckets of all replicas, in Valkey or Redis, and a Memory of its own
//
// # What Shared guarantees
//
// A request must fit into two buckets: the replica's own, which counts what this replica has granted, and the store's, which
// counts what all have. The own bucket is asked first and keeps a place for the request; it takes the place back when the
// store refuses, and takes over what the store says of the others. So:
//
//   - One replica never grants more than the limit, whatever the store does: near, far, congested, hung, gone, restarted empty.
//     Only a restart of the replica while the store is away gives it a new allowance.
//   - While the store answers in time, all replicas together grant no more than the limit.
//   - While it does not, a replica goes on from the last answer about each key, refusals included; a key of which it has none
//     has a full bucket. So n replicas grant at most n times the limit, and refuse no request for the sake of the store.
//   - Each request to the store says what is known to be taken, so that a store that comes back with less learns it again:
//     the greatest of what the replicas know, not the sum.
//   - A request waits for the time-out at most.
//
// # How requests reach the store
//
// Requests wait in a queue, those of one key merged into one, and a fixed number of senders takes them out in batches, each
// sender on a connection of its own. No goroutine and no connection is made for a request. A queue has bounds, and what
// exceeds them is decided by the own bucket. A request that the own bucket refuses is not sent at all.
//
// With a connection of the pool for each request, waiting for the pool counted as a failure of the store: of 16 requests at once,
// 2.5 ms away, the own bucket decided 6.
//
// Only what the store does is a failure of the store: a time-out of a batch that was sent, a broken connection, an
// error in its answer. A request that waited too long in this program goes on without an answer, and says nothing about the
// store; neither does a client that goes away. After three failures in a row requests no longer wait, and the store is asked
// about once a second until it answers. It is asked as well before its first answer and after a second of silence.
//
// The slots of a cluster are divided into parts, each with a queue, senders and a record of failures of its own: a server that
// hangs does not hold up the requests of the others.
package ratelimit
