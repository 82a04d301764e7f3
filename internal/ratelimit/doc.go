// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ratelimit enforces the rate limits of API keys. It counts requests per uid of the APIKey, so a rotation does not
// give a key a new allowance.
//
// Each key has a bucket that holds its burst and fills evenly, by its requests in each period. A request takes one unit, and
// is refused if the bucket is empty. This is the generic cell rate algorithm: a bucket is one number, the time at which it is
// full again, so no timer fills it. A full bucket need not be stored, so only keys that were used lately take memory. A request
// counts only if it passes every other check.
//
//	Pace     pure: one limit in nanoseconds, and the decision
//	Memory   the buckets of one replica
//	Shared   the buckets of all replicas, in Valkey or Redis, and a Memory of its own
//
// # What Shared guarantees
//
// A request must fit into two buckets: that of the replica, which counts what this replica granted, and that of the store,
// which counts what all replicas granted. The replica's bucket is asked first and reserves the request. An answer of the store
// releases what it refused, and adds what other replicas took. So:
//
//   - One replica never grants more than the limit, whether the store is near, far, congested, hung, unreachable or restarted
//     empty. Only a restart of the replica while the store is unreachable gives a key a new allowance.
//   - While the store answers in time, all replicas together grant no more than the limit.
//   - While the store does not answer, a replica continues from the last answer about each key, refusals included. A key without
//     an answer has a full bucket. So n replicas grant at most n times the limit, and no request is refused because of the store.
//   - Each request to the store carries what the replica knows to be taken. A store that restarts empty learns it again: the
//     maximum of what the replicas know, not the sum.
//   - A request waits at most for the timeout.
//
// # How requests reach the store
//
// Requests wait in a queue, which merges those of one key. A fixed number of senders, each with its own connection, sends them
// in batches. No request starts a goroutine or a connection. A queue is bounded, and the replica's bucket decides what exceeds
// the bounds. A request that the replica's bucket refuses is not sent.
//
// An earlier version took a pooled connection for each request, and counted the wait for the pool as a failure of the store:
// of 16 requests at once, at a distance of 2.5 ms, the replica decided 6 without the store.
//
// Only the store can cause a failure of the store: a batch that times out after it was sent, a broken connection, an error
// reply. A request that waits too long in this program is decided without the store and counts as no failure, and neither does
// a client that disconnects. After three failures in a row requests no longer wait, and the store is probed about once a second
// until it answers. It is also probed before its first answer and after a second without answers.
//
// The slots of a cluster are divided into partitions, each with its own queue, senders and count of failures. So a server that
// hangs does not delay the requests to the others.
package ratelimit
