// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulation runs the operator through random histories in one process and one goroutine, and checks after each effect that no
// invariant is broken. `make simulate` runs a million histories.
//
// The observe, decide and apply steps are those of internal/controller, with their caches' transformations, watch handlers, ledger, digest
// index and back-off. What surrounds them is simulated: the API server (package apimodel), the queue, the watches, the clocks, the network and
// the users. The verifier's answers are those of internal/keyindex and internal/access.
//
// # A history
//
// A seed determines a history: every choice comes from one generator of random numbers. A step is one effect: a call of an operator reaches
// the API server, a watch delivers changes, a user does something, time passes. A pass of an operator is a coroutine that stands still at each
// call, so passes of two operators interleave at every call. A call may be carried out or not, its answer may be lost, it may arrive after its
// sender has given up or ended, and the operator may crash before and after it. Half of the histories have two operators that act at the same
// time, as if leader election had failed. Caches lag, each kind by itself; a watch that was interrupted skips changes; after a start a cache
// may be older than before it. The clocks of the operators step both ways.
//
// After the last step the faults end. One operator works for 90 simulated seconds, after which everything has to be as declared. Then a resync
// must cause no call, and a restart no write.
//
// Choice 0 is always the harmless alternative. So a history that breaks an invariant shrinks by removing steps and lowering choices, until
// nothing can be removed or lowered.
//
// Besides the write protocol the oracle checks causes (oracle_causes.go): a key is replaced because the annotation or the schedule asks for it,
// or because the Secret does not hold it, and the replaced key ends when the request or spec says.
//
// # What users do that others forgive
//
// Users also do what the guardrails prevent and what restores do: they edit Secrets and statuses. Until the operator has handed out another
// key, the oracle forgives the consequences for the keys of that APIKey: a status from the past makes older keys valid.
//
// A create has no precondition but that the name is free. If the Secret was absent when an operator read it, another operator has created it
// and a user, or a claim, has deleted it since, then the first one's create succeeds although the second has dropped the first one's record. Its promotion
// fails on the resourceVersion of the status, and the next pass replaces the key, which no record makes valid. The oracle forgives a key
// without a record in this case, until it is replaced.
//
// No Secret accounts for the records beside a claimed key. A process that has not written the status before a user forges the record of a
// replaced key there has to believe it until the record ends. The oracle forgives that if no Secret was there when the record was forged; the
// process that has written the status drops the record.
//
// An end by time is final once it is recorded, as the phase or in a record, or once spec says that it has come. Where a user has moved it in
// time, the key is refused from the recorded end on until the operator's write arrives, however late, and is accepted again. Package
// lifecycle says why.
//
// A claim deadline is treated as an end by time: a claim that was set in time may be recorded late, and a key that was announced in time may be
// handed out late. The Secret of the next delivery ends a claimed key that it does not account for, also if its own key missed its deadline
// before it was promoted. A clock that is ahead ends keys early.
//
// Before an operator deletes the Secret of a key whose end has come by time, it confirms that it has seen the last version of the APIKey. A user
// who moves the end between the two requests is too late. The oracle forgives a deletion after a confirmation, and none without one.
//
// # Does it find mistakes?
//
// mutants_*_test.go have mistakes in the write protocol and in decisions, as changes of the source that an overlay compiles into one program,
// each with the seed of a history that finds it. apimodel/contract_test.go replays the writes of 200 histories on a real kube-apiserver.
//
// # Limits
//
// There is one namespace without APIKeyPolicies, and no guardrail is missing. Requests do not overlap within one pass. The component that
// deletes orphaned Secrets after an hour, and the watches of single Secrets in conflict, do not run.
package simulation
