// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controller carries out what package lifecycle decides: it reads the APIKey and its Secret, applies one plan,
// and reports in status, events and metrics.
//
// Every write has a precondition, so several reconcilers may work on one object, restart anywhere or read a stale cache:
// a write that would do harm fails, and the next attempt decides on what it finds. ARCHITECTURE.md describes the protocol.
// recovery_test.go cuts the connection at each write, before and after it is applied, with the process dying or surviving.
// concurrency_test.go runs a second reconciler before each write. Both do so for every reason to mint a key, and delivery_test.go for a
// claim.
//
// # At rest
//
// A settled key costs no API call and no plaintext. The operator watches only the metadata of Secrets, narrowed on the server
// by type and by the operator's own label. The cache keeps names, numbers and the controlling APIKey. status.secretRef holds
// the resourceVersion at which the Secret was last examined; while the watch shows that version, nothing is read, except
// once after a start, to check the status.
//
// A mint takes exactly one GET and three writes, although each of its writes is also an event that triggers another attempt:
//
//   - Reads wait until the watch has delivered the operator's own status writes (controller-runtime's read-your-writes
//     consistency).
//   - The operator records the highest resourceVersion that the watch of Secrets has delivered. Resource versions of one
//     resource are ordered numbers (KEP-5504), so a Secret that the status names and the watch has not shown is either still
//     on its way, if the watch is below that version, or gone. After five seconds the operator reads the Secret anyway: the
//     watch never delivers a Secret that was created and deleted while the watch was interrupted.
//
// An attempt for a change of status alone is delayed by a minute. Nearly all such changes are the operator's own, and those that
// announce a key and report its refusal would trigger the next attempt at once, ahead of the back-off. A status that another
// client changed is corrected after that minute, or by the check below.
//
// A change of displayName costs one GET and one status write. It cannot cost none: metadata.generation moves with every
// change of spec, and unless status.observedGeneration follows, kstatus and `kubectl wait` see an object in progress for ever
// (kstatus_test.go, "whose spec has changed since"). A re-apply, a changed label, a resync and a restart cost no call.
//
// The cached APIKey and the cached metadata of its Secret determine the memory of a settled key. The caches keep only what a
// decision reads, copy slices to size, and keep equal strings once (cached.go). The heap may grow by half between garbage
// collections instead of doubling, unless GOGC says otherwise. `make bench-mint` measures the memory.
//
// Metadata that an editor without any grant can fill is not cached. Measured with 1,900 APIKeys with 64 KiB of annotations, which is
// what the guardrails accept, and 1,900 copies of a Secret with 250 KiB (cmd/memory_test.go): a peak of 88 MiB of resident memory
// while every key is rotated, where the same objects with small metadata take 82 MiB. The pod has 1 GiB.
// Before the guardrail size, with 250 APIKeys and 250 labelled copies of 250 KB each, the peak was 162 MiB while the caches kept metadata,
// 76 MiB when they dropped it, and 57 MiB with small metadata. Objects are stripped one at a time, when they are decoded, because lists are
// streamed; an API server without streaming lists (before 1.34 by default) sends them whole.
//
// # Who accounts for a record
//
// A digest in status.keys makes a key valid, so a record that the operator did not write is a backdoor. Package lifecycle
// says which records a Secret accounts for. This package decides when to compare. It keeps a fingerprint of status.keys and
// status.secretRef for each APIKey, as this process wrote or checked them, and notes the fingerprint before each write, because
// the answer to a write can be lost. A status with another fingerprint is compared with its Secret 2 seconds later, when a mint
// by another operator is over. It also remembers which announced keys it has drawn, because the operator vouches for the announcements of a
// predecessor with its next write, among which a forged one may be. A process that has just started knows no fingerprint, so it reads each Secret once in the
// background, 100 a second. For APIKeys that deliver once it also keeps the Account of that status, which stands for the Secret once the key
// is claimed. Measured with 20,000 keys (`make bench-mint`): 20,000 reads in 201 seconds, no write, and a peak of
// 165 MiB of resident memory.
//
// # Disputed keys
//
// Verifiers refuse a key whose digest two APIKeys have in status.keys. A record that the Secret does not account for is dropped
// within seconds. A dispute lasts where Secret and status of one APIKey were both restored as those of another, because then each
// of the two accounts for the key. The handler of the watch keeps an index from digests to APIKeys (digests.go) and queues both
// APIKeys when a dispute begins and when it may have ended. A dispute costs one status write at its beginning and one at its end,
// and no API call in between.
//
// Conditions and events name the other APIKey only if it is in the same namespace. A name in another namespace is information
// that the owner may have no right to; the log has both names.
//
// # Secrets in the way
//
// The operator does not watch Secrets of other types, so each Secret in the way costs one watch of the metadata of that object,
// beginning at the version that was read: no change between is missed. At most 64 such watches are open; APIKeys beyond that
// retry every 30 seconds. A Secret that the operator watches costs nothing: waiting APIKeys are indexed by its name.
//
// Deleting a Secret at expiry needs no read. The watched metadata names the controlling APIKey, and the delete has that uid and
// resourceVersion as its precondition: two calls instead of three when many keys expire at once.
//
// # The queue
//
// The queue (fairqueue.go, turns.go) is client-go's with an order of its own: three classes, and within a class namespaces take
// turns. Requests about an existing key (rotate, suspend, revoke, delete, expire) precede first keys, which precede attempts that
// no user waits for: the initial list, resyncs, policies, the operator's own writes. Every fourth turn goes to first keys and
// every sixteenth to the last class, so that a namespace that rotates all the time cannot starve the others.
// controller-runtime's priority queue serves equal priorities in the order of arrival; fairness through priorities would need
// one priority for each key, and its metrics have the priority as a label.
//
// Measured while one namespace created 3,000 APIKeys (2 cores, shared with other work; `make bench-mint`):
//
//	                              arrival order            this queue
//	a first key elsewhere         median 6.1 s, max 12.8 s   median 0.24 s, p99 1.5 s
//	a rotation in that namespace  median 1.6 s, max 22 s     median 0.26 s, p99 1.2 s
//
// A request that hangs holds its worker for at most 35 s, whatever its namespace.
//
// # When requests fail
//
// The rate limiter of the queue (failures.go) counts consecutive failures of each APIKey. The next attempt comes when the
// back-off is over (100 ms, doubling to 20 s) or at the next deadline, whichever is earlier. So an expiry takes effect while a
// rotation keeps failing, and every key makes progress within 20 s plus one attempt after the cause is gone. An attempt ends its
// requests at the next deadline, not before 5 s and not after 35 s; its report has another 10 s. A conflict is retried without
// a report, eight times in a row with growing waits, because an admission plugin can answer 409 for ever. For the same reason
// "not found" in answer to a delete is confirmed by a read.
//
// The first failure of a step writes what is certain nevertheless: how the key ended, that it stopped because its
// Secret is gone, and that an announced key was not handed out. The failure itself is reported once it lasts. Its message holds
// no address, time or id, and a message that differs only in numbers is not written: otherwise each attempt would be a write
// that every verifier receives.
//
// A request that the API server definitely refused (403, 422) withdraws its announcement: the key was not handed out and never
// will be, so the status write that reports the refusal drops the pending record, and retries do not pile up. After a broken
// connection the outcome is unknown, and the record stays.
//
// While policies cannot be looked up, their previous meaning stays in force, no key is minted, and observedGeneration stays
// behind. Keys still end, and a key that is in its Secret is promoted.
//
// # Events
//
// Events follow from a change of status alone (events.go), so each is emitted once, by the process whose write succeeded. An event
// is one more write beside the three of a mint. Events about new keys are therefore rate limited; the status carries the same
// information, and apikey_operator_routine_events_dropped_total counts the dropped ones. No other event is dropped.
//
// The names of labels and annotations from spec.secret are recorded in an annotation of the Secret. A name that leaves spec
// leaves the Secret, and names that others have added stay.
//
// # Guardrails
//
// The operator mints nothing without the guardrails (guardrails.go). It finds policies and bindings by the label
// apikey-operator.io/guardrail, whatever their names are, and requires for each guardrail exactly one policy and one binding as
// package guardrails builds them. It compares on the first attempt and after an event about one of them; in between, asking costs
// two loads from memory: 50 mints with guardrails are 50 GETs and 150 writes, as without. It asks twice, when deciding and
// before writing the Secret. Ended keys end, and a key that is in its Secret is promoted, whatever is missing.
//
// One gap remains: a deleted guardrail and an APIKey created right afterwards reach the operator through two watches. The
// deletion has two round trips to arrive; in 40 rounds under four creators no such key was minted. Closing the gap would take a
// live read for each key. An APIKey that was created while guardrails were missing is minted when they are back: grants are
// checked when the object is written, and its author cannot be determined later. `make undeploy` therefore leaves the guardrails in
// place, as it leaves the CRDs.
package controller
