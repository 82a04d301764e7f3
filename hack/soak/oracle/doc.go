// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oracle knows every key that was ever in a Secret and everything that users have asked for, and judges each answer of a verifier
// and each version of an APIKey by that. It has no clock and no client: callers give it observations with their times, and digests
// instead of keys.
//
// # What has to be accepted
//
// An APIKey is settled when the operator has carried out every request: spec, annotations, records and Secret agree, in versions that are
// not older than the answers to the requests. From then on the active key has to be accepted, until a request begins that may end it: the
// moment before it is sent, because its effect can precede its answer. A rotation with an overlap lets the replaced key be accepted for that
// long. A claim, a new display name and a value of the rotate annotation that was acted on before change nothing: the key has to be
// accepted all the time, whatever fails.
//
// # What has to be refused
//
// A revocation, a suspension, a deletion and an expiry end keys by what the spec says, from the answer of the API server on, without an
// operator. A replaced key ends by what the status says: once the APIKey is settled, every key that is in no record, and every
// other one from its notAfter on. Both stay so for ever, except that a resume ends a suspension, and that a status from the past may
// revive keys until the APIKey is settled again. A key that a user has put into a Secret is never accepted.
//
// # What has to stay
//
// An APIKey is revoked, expired and deleted on request alone, and not before the earliest end that was asked for. A settled APIKey has the
// active key from before, unless a request was open that replaces keys: a new value of the rotate annotation, or a Secret or status that a
// user has changed. A replaced key ends at the latest after the longest overlap that such a request allows.
//
// # Budgets
//
// A verifier has to know a fact after it was healthy for 15 seconds since the fact. Healthy means that API server and etcd answer, that the
// verifier is ready, connected and not stopped. Only healthy time counts, in sum. When API server, etcd or the connection of the verifier
// have failed, the count begins anew at the end of the failure: by the documentation of internal/keyindex a connection that stays silent is
// given up after 3 + 3 seconds, a watch is opened again after at most 1.5 seconds, and its list takes time; the budget is twice that. A
// verifier that was killed reads everything when it starts, so its count goes on. Once a verifier has to know a fact, it has to know it for
// ever: an outage is no excuse to forget. An expiry that a verifier knows applies to the moment.
//
// An answer that accepts is judged by the facts of the time at which its request was sent, and an answer that refuses by the whole time of
// the request. No answer, and 503, are neither.
//
// The operator has to carry out a request after a leader was healthy for 75 seconds, in sum: up to 20 seconds of back-off, and a minute for
// a status that others have changed. That there is a leader is certain when API server and etcd answer, no operator is
// stopped, and one was ready and connected for 8 seconds: a leader that was lost is replaced within 6.2. Stops of less than 2 seconds
// cost no lease. A new APIKey has twice as long, because garbage collection first deletes the Secret of its predecessor.
//
// When the machine did not run the soak itself for over a second, all counts begin anew.
//
// # Limits
//
// Between the versions that a watch delivers others can be missing, after an outage: a key that was replaced meanwhile is not known.
// Operations that run into each other end the obligation to accept until the APIKey is settled; what happens to the keys in between
// is the subject of internal/simulation.
package oracle
