// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Observed is the input of a decision. Decisions do not change it.
type Observed struct {
	// APIKey is the object to decide on.
	APIKey *v1alpha1.APIKey
	// Secret is the observation of the Secret that the APIKey names.
	Secret Secret
	// Unvouched reports that status.keys or status.secretRef differs from what this operator wrote or checked last.
	Unvouched bool
	// Undrawn are the digests of announced keys that this operator has not drawn: those of another operator, of one before a start, or forged.
	Undrawn []string
	// Remembered is the Account of the status that this operator wrote or checked last. It stands for the Secret of a claimed key.
	Remembered Account
	// Policies are the APIKeyPolicies that select the namespace of the APIKey.
	Policies []*v1alpha1.APIKeyPolicy
	// PoliciesUnknown reports that the lookup of Policies failed. The status keeps their last effect until it succeeds.
	PoliciesUnknown bool
	// Disputes are the other APIKeys that have a record of a key of this one.
	Disputes Disputes
	// Unguarded lists why guardrails are not in force, one sentence each. It is empty if all are.
	Unguarded []string
}

// terms returns what the policies mean for the APIKey.
func (o Observed) terms() policy.Terms { return policy.TermsOf(o.APIKey, o.Policies) }

// SecretState is the state of a Secret as far as it was observed.
type SecretState int

// The states of a Secret. The first three come from watched metadata and cost no API call; the others come from a read.
const (
	// SecretUnread: the watched metadata agrees with status.secretRef, or both are absent.
	SecretUnread SecretState = iota
	// SecretChanged: the watched metadata and status.secretRef differ; only a read shows why.
	SecretChanged
	// SecretBehind: the watch has not yet delivered the operator's own last write.
	SecretBehind
	// SecretAbsent: no Secret has the name.
	SecretAbsent
	// SecretForeign: a Secret exists that the APIKey does not control.
	SecretForeign
	// SecretOwned: a Secret exists and the APIKey controls it.
	SecretOwned
	// SecretTerminating: a Secret exists, the APIKey controls it, and it is being deleted. It counts as deleted.
	SecretTerminating
)

// Secret is the observation of a Secret. It has digests of the keys in it, never their plaintext.
type Secret struct {
	// State determines which other fields are set.
	State SecretState
	// Ref is the Secret that was read, for SecretOwned and SecretForeign. For SecretUnread it is status.secretRef.
	Ref v1alpha1.SecretReference
	// Digest is the digest of the value of the declared dataKey; "" if the Secret has no such dataKey.
	Digest string
	// PreviousDigest is the digest of the previous key, which a Secret holds during an overlap; "" if it holds none.
	PreviousDigest string
	// Account lists the keys that are valid according to the Secret.
	Account Account
	// OurType reports that the type is v1alpha1.SecretType.
	OurType bool
	// Fenced reports that the operator created the Secret without a key, so that a create that is still in flight fails.
	Fenced bool
	// InShape reports that labels, annotations and owner are as declared.
	InShape bool
	// Conflict describes why the APIKey does not control a SecretForeign.
	Conflict string
	// Finalizers are those that a SecretTerminating waits for.
	Finalizers []string
}

// Action is the one effect that a plan has on the Secret.
type Action int

// The actions. Each ends in at most one status write, which reports it.
const (
	// Settle has no effect on the Secret. The status may still have to follow spec.
	Settle Action = iota
	// Ignore has no effect, not even on the status.
	Ignore
	// Read reads the Secret. The caller then decides again.
	Read
	// Mint announces a new key, writes it into the Secret and promotes it.
	Mint
	// Promote makes the announced key in the Secret the active key.
	Promote
	// Fence changes the Secret so that writes in flight fail, and drops the records of announced keys.
	Fence
	// Reshape updates labels, annotations and the previous key of the Secret. Its key stays.
	Reshape
	// Claim records that the key in the Secret was claimed, then deletes the Secret.
	Claim
	// Discard deletes the Secret of a claimed key. The key stays.
	Discard
	// Delete deletes the Secret and closes all records.
	Delete
	// Close closes all records. The Secret is gone or stays.
	Close
	// Block changes nothing and reports why.
	Block
)

// String returns the name of the action, for logs.
func (a Action) String() string {
	return [...]string{"Settle", "Ignore", "Read", "Mint", "Promote", "Fence", "Reshape", "Claim", "Discard", "Delete", "Close", "Block"}[a]
}

// NeedsPolicies reports whether an action must wait until policies are known. Ending a key, promoting the key in the Secret and acting on a
// claim must not wait: otherwise an ended key would keep working, a workload would have a key that verifiers refuse, or a claim would come
// too late.
func (a Action) NeedsPolicies() bool {
	switch a {
	case Ignore, Read, Promote, Claim, Discard, Delete, Close:
		return false
	case Settle, Mint, Fence, Reshape, Block:
		return true
	default:
		return true
	}
}

// Plan is a decision.
type Plan struct {
	// Check is the name of the check that decided.
	Check string
	// Action is the effect to carry out.
	Action Action
	// Trigger is the cause of Mint and Promote.
	Trigger v1alpha1.RotationTrigger
	// Reason and Message are those of Ready, for Block.
	Reason, Message string
	// Confirm is set for Delete and Discard if a change of the APIKey that the operator has not seen yet could forbid the deletion. The
	// operator asks the API server first whether the APIKey is still as it was observed.
	Confirm bool
	// Fence is set for Promote if another key was announced while the Secret held this one. The operator changes the Secret first, so that a
	// write of that key, which can be in flight, fails.
	Fence bool
	// RetryAfter is when to reconcile again if no event will cause it; 0 means that an event will.
	RetryAfter time.Duration
}
