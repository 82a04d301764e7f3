// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package backup writes APIKeys with their keys to a stream, and restores them into another cluster so that every key goes on working.
//
// # Format
//
// A backup is lines of JSON. The first has the version of the format, the last counts the others; without it the backup is incomplete.
// Each line in between has one APIKey (namespace, name, creation, generation, labels, annotations, spec, status) and the labels,
// annotations and data of its Secret, or one APIKeyRole or APIKeyPolicy. Lines can be written and checked one at a time, and `grep` and
// `jq` can select from them. The name, type and owner of a Secret follow from its APIKey, so a line cannot hold the Secret of another one.
// Unknown fields are an error on both sides: a program that does not know a field would lose it.
//
// Finalizers and owner references stay behind, because the controllers and owners that they name may be missing in the other cluster.
//
// # A backup
//
// The APIKey is read before its Secret. If a rotation happens in between, or a key is announced, both are read again. What is written
// passes the checks of a restore. An APIKey that does not pass after 3 seconds is left out and reported.
//
// # A restore
//
// For each APIKey a restore creates the object as the user, so that the guardrail grants asks what the user may grant. Then it creates the
// Secret and updates the status as the operator, which the guardrails secrets and status accept from no other account: the user must be
// allowed to impersonate it. That right is worth every key of the cluster already; see "Threat model" in ARCHITECTURE.md. A rule in the
// guardrails for restores would be one more way to write a status.
//
// An APIKey without a status is one for which the operator mints a key, and a Secret without a status is one that it replaces. So a restore
// holds the Lease of the operator. It fails if a leader renews the Lease, because a leader that lost it would go on for some seconds. The
// alternative was an annotation by which the operator leaves an APIKey alone. Every editor could set it, GitOps tools would remove it, and
// an operator of an older version would ignore it.
//
// Each of the three writes is a create, or an update under the resourceVersion that was read. A restore that was killed between two of them
// finds what it has written, and continues: the APIKey has the spec of the backup and no key, and the Secret has the keys of the backup and
// the uid of the APIKey as its owner. An APIKey with another spec or a key of its own is refused, and the others are restored.
// For the same reason an APIKey that a GitOps tool has created before gets its key back, as long as no operator has run.
//
// # What is checked
//
// Every record of status.keys makes a key valid. A restore accepts a record if the Secret in the backup holds a well-formed key with its
// digest, if it is Retiring and the annotation valid-keys of that Secret lists it, or if the key was claimed, which is in no Secret. Pending
// records are accepted for the key in the Secret only. Two APIKeys with a record of the same key are both refused, whether they are in the
// backup or in the cluster: verifiers refuse a key that two APIKeys have. A key that has ended by the time of the restore is restored as
// ended, without its Secret.
//
// These checks find damage and mistakes. They do not find a backup that was forged as a whole: a user who writes both the key and
// its digest makes a key. Only encryption with authentication, such as age or GnuPG with a signature, does; the format has none of its own.
//
// # Times
//
// All times in the status are absolute and stay. metadata.creationTimestamp does not: it becomes the time of the restore, and spec.validFor
// and the expiries of policies count from it. As long as spec does not change, the earlier end in status.expiresAt holds. The next change
// of spec would fix a later end, even a change of displayName, for which the guardrails ask for no grant. So an end that does not follow
// from spec.expiresAt is written there, in place of validFor. A manifest in Git that has validFor is then refused, because only one of
// the two may be set, which shows that it has to change.
package backup
