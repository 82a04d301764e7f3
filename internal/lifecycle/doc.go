// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lifecycle decides what happens to an API key. It is pure: its input is an observation and the time, its output is a
// plan and the status that follows. It never sees a key, only digests, so a plan cannot leak one.
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
//
// Decide is an ordered list of named checks, each with the reason for its place; a test pins the order.
//
// # Decisions beyond the write protocol
//
//   - A fence without a Secret. When a crash loop has filled status.keys with pendings, the Secret is changed so that writes still
//     under way fail, and the pendings are dropped. Without a Secret the write under way is a create, which only an existing Secret
//     makes fail; so the fence creates one without a key. Pods wait for a data key that is not there yet.
//   - A promotion after a fence. Two operators at once, whose clocks differ, can disagree on whether the announced key in the Secret can still
//     be claimed. One promotes it, and drops the record of the key that the other has announced since and is about to write. So a key that
//     was announced before another is promoted once the Secret has a new version, on which that write fails.
//   - A rotation without overlap stops every older key, not only the last one: it is the answer to a leak, and no one can say
//     which key has leaked. With an overlap, earlier keys keep their own ends as far as the four records reach; the oldest
//     makes room.
//   - A foreign Secret in the place of ours ends our key: ours was deleted, which stops its key. Removing only our owner reference
//     does not: the key is still where it was.
//   - A Secret that is being deleted counts as deleted, whatever finalizer keeps it: its key stops, and nothing is written to it.
//   - An APIKey that is being deleted is Revoked, whatever finalizer keeps it: a deletion cannot be undone. Its Secret is
//     deleted, unless the deletion leaves dependents behind (--cascade=orphan).
//   - The records of an ended key stay, as Retiring with a notAfter that has passed, so that a verifier can tell "revoked" from
//     "unknown".
//
// # Rotation requests
//
// The overlap of one rotation is a part of the request, not a setting beside it that would apply to every later rotation. The
// record of the announced key holds the trigger, the value and the overlap that it was drawn for, so an interrupted rotation
// ends as requested, whatever the annotation says by then. Of several interrupted requests the shortest overlap applies. A
// value that arrives after a key was announced for another reason causes a rotation of its own: that key was in the Secret, or
// on its way there, when its replacement was requested.
//
// The status remembers the last 16 values of the rotate annotation, ordered by the time at which each was last set, so a
// value that a pipeline applies again and again is never forgotten. Moving it to the end changes the status, which triggers
// the event about the ignored request once for each change of the annotation, also across restarts. The identity of a value is
// its whole text: the name alone would ignore "leak1,overlap=0s" after "leak1,overlap=1h" and leave a leaked key valid.
//
// Long values are recorded as a digest. status.lastRotation.value holds at most 48 characters verbatim. Every API key is
// longer, so a key that was put into the annotation by mistake does not spread into the status.
//
// # Delivery once
//
// With spec.secret.delivery Once the Secret exists until the key is claimed. A claim is two writes, in this order: the status gets
// claimedAt, then the Secret is deleted under its uid and resourceVersion (a last status write reports it). A crash between them leaves
// a key that works and a copy that the next attempt deletes. In the other order, a crash would leave an active record without a Secret,
// which is what a deleted Secret looks like: the key would stop. The preconditions of the delete keep the next key, which a writer
// in flight may just have put into the Secret.
//
// The value of the claim annotation is the id of the claimed record. A boolean, or any value, would claim the next delivery as well, as
// soon as a pipeline applies it again or after a rotation. An id cannot: the next record has another one.
//
// A claim comes before all that may block minting. It comes after the promotion of an announced key, because the claim is then of the
// key that was replaced. A Secret that is deleted without a recorded claim is a rotation, whatever the annotation says: users delete a
// Secret to stop its key.
//
// A record has its deadline from the moment when the key is drawn, so that no crash leaves a key without one, and retains it until the key
// is claimed or replaced. Verifiers compare it with their own clock. When it passes, the APIKey is Revoked, with the reason
// NotClaimed. The deadline is in the Account of the Secret as well, so a changed status cannot move it. A key that was announced, and whose
// deadline has passed before it was promoted, was held up by the operator and not by a user: another is minted in its place.
//
// After a claim nothing at the name of the Secret matters to the key. A Secret of another owner is left alone until the next
// rotation needs the name. A Secret that the APIKey controls can only be restored or forged; it is deleted.
//
// A claimed record has no Secret that accounts for it. While the operator runs it remembers which records its last status made valid,
// and drops others. An operator that has just started compares with the Secret if the copy is still there, and else believes the
// status if it has exactly one active record. Believing is safe as far as the guardrail "status" is: only the operator writes the status. A
// signature in the status would add nothing: a client that can write the status has the operator's token, and reads the signing key with
// it, and a restored status has its signature with it. Two operators at once, which the lease prevents, can take the claim of the other for
// forged, if a rotation, its claim and the deletion of the copy happen within the 2 seconds before the check; then a new delivery starts.
//
// # Accounts
//
// Each write of a Secret records in its annotation valid-keys which digests are valid after it: the active one, with its claim deadline
// if it has one, and those of running overlaps with their ends (account.go). The annotation is part of the same update, under the same precondition, as the
// key, so it always describes that version of the Secret. A digest that it does not list is dropped by the next status write,
// and an overlap never ends later than it says. An announced key (Pending) is in no Secret yet; the protocol ends it: the
// rotation finishes with another key or, where minting is blocked, the Secret is fenced. Of a Secret in the way, which no writer in flight can
// write, the announced keys that this operator has not drawn are dropped: one of them may be forged. Status writes have their resourceVersion
// as a precondition, so a stale view of either object drops nothing. A Secret from before the annotation accounts for the keys
// that it holds. A client that can write both the status and Secrets of this type, which takes the operator's own token, can still
// make them agree.
//
// # Expiry
//
// A key has expired when the time in status.expiresAt or the time in spec has come, or when it was once reported as expired. So
// neither a clock that steps back nor a later edit revives a key. An edit before the end applies from the time at which the operator
// has recorded it.
//
// The write that records such an edit can arrive after the earlier end. Verifiers refuse the key in between and accept it afterwards. No
// limit of time prevents that: an attempt ends its requests after 35 seconds and the API server after 60 (--request-timeout), but a process
// that was stopped sends later, and etcd may commit at its restart what it had only logged before. A rule cannot prevent it either, because
// CEL knows no time. It revives nothing that had ended: the end was moved in time, by an author whom the guardrails admitted. Any change
// of the APIKey after the earlier end makes the late write fail on its resourceVersion: a recorded phase, or another edit.
//
// A time that has come is the end by the version of the APIKey that the operator has seen. Its cache can be older: a user has moved the end, or
// a key that was delivered once was claimed or replaced. The delete of the Secret is under the version of the Secret alone, so an operator
// that deleted by an older APIKey took a living key from its workload. Plan.Confirm makes the operator ask first whether it has seen the
// last version, by a status update without a change, which stores nothing. Only an end by time, and the Secret of a claimed key that was
// read, need that: a recorded phase, revoked and a deletion cannot be undone, and the version in status.secretRef names one delivery.
//
// The end is fixed when the spec is acted on: when the key is first handed out, and when spec changes. The contract
// wants both "the earliest of spec, maximum and default" and "a policy tightened later kills no living key". Evaluating today's
// policies at every pass would end every key older than a new maximum at once, and a policy deleted by mistake and applied again
// would move every end twice. The condition Compliant reports a living key whose end is later than policies allow now. The rate limit
// follows policies at once, because that ends no key. A policy, or a label of a namespace, that is created in the same second as a
// key may come too late for it: apply policies first.
//
// A notAfter more than 720 hours ahead, plus a minute for clocks that differ, was requested by no rotation. Operator and verifier
// treat such a record as ended.
//
// # Warnings of an expiry
//
// The condition ExpiringSoon follows from time and policies. status.warnedBefore remembers the warning that was given last, and is a part of
// the same write, so a warning costs one write and no read. Its event follows from the change of that field: the operator whose write
// succeeded emits it, at most once. At least once would take a second write after the event, and would repeat the event after a
// crash; what a lost event says stays in the condition. The field needs no time of its own: it belongs to status.expiresAt, and the write
// that moves one decides about the other (warnings.go). A clock that steps back ends the condition and not the memory.
//
// Only the expiry is warned of. The end of an overlap and a claim deadline are in the events Rotated and Minted, and are minutes or days
// after the request that sets them.
package lifecycle
