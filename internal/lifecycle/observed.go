// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Observed is all that a decision needs to know of the cluster.
type Observed struct {
	// Key is the APIKey. Decisions do not change it.
	APIKey *v1alpha1.APIKey
	// Secret is what is known of the Secret with the name that the APIKey wants.
	Secret Secret
	// Unvouched says that status.keys or status.secretRef is not as this operator has written or checked it.
	Unvouched bool
	// Policies are the APIKeyPolicies that are for the APIKey's namespace. Decisions do not change them.
	Policies []*v1alpha1.APIKeyPolicy
	// PoliciesUnknown says that Policies could not be looked up. What they have meant so far stays until they can be.
	PoliciesUnknown bool
	// Disputes are the other APIKeys that have a record of a key of this one.
	Disputes Disputes
	// Unguarded is what keeps the guardrails at the API server from being in force, each in words; none: they are.
	Unguarded []string
}

// terms returns what the policies mean for the APIKey.
func (o Observed) terms() policy.Terms { return policy.TermsOf(o.APIKey, o.Policies) }

// SecretState is how much is known of a Secret, and what.
type SecretState int

// The states of knowledge. The first three come from metadata that is watched and cost no API call,
// the others from a read of the Secret itself.
const (
	// SecretUnread: the watched metadata is that of status.secretRef, or both say that there is none of ours.
	SecretUnread SecretState = iota
	// SecretChanged: the watched metadata and status.secretRef differ; only a read tells why.
	SecretChanged
	// SecretBehind: the watch has not yet delivered the operator's own last write.
	SecretBehind
	// SecretAbsent: there is no Secret of that name.
	SecretAbsent
	// SecretForeign: there is one and the APIKey does not control it.
	SecretForeign
	// SecretOwned: there is one and the APIKey controls it.
	SecretOwned
	// SecretTerminating: there is one, the APIKey controls it, and it is being deleted. It counts as deleted.
	SecretTerminating
)

// Secret is what is known of a Secret: digests of what it holds, never the content.
type Secret struct {
	// State says which of the other fields mean anything.
	State SecretState
	// Ref is the Secret that was read; for SecretOwned and SecretForeign. For SecretUnread it is status.secretRef.
	Ref v1alpha1.SecretReference
	// Digest is that of the data under the wanted data key; empty when there is no such data.
	Digest string
	// PreviousDigest is that of the previous key which a Secret holds during an overlap; empty when it holds none.
	PreviousDigest string
	// Account is what the Secret says about which keys are valid.
	Account Account
	// OurType says that it is of v1alpha1.SecretType.
	OurType bool
	// Fenced says that the operator made the Secret without a key, to keep an older writer from making it.
	Fenced bool
	// InShape says that labels, annotations and owner are as declared.
	InShape bool
	// Conflict says why a SecretForeign is not ours.
	Conflict string
	// Finalizers are what a SecretTerminating waits for.
	Finalizers []string
}

// Action is the one effect that a plan has on the Secret.
type Action int

// The actions. Each ends in at most one status write, which reports it.
const (
	// Settle has no effect on the Secret; the status may still have to follow the spec.
	Settle Action = iota
	// Ignore has no effect at all, not on the status either.
	Ignore
	// Read looks at the Secret itself; the decision is then made again.
	Read
	// Mint announces a new key, writes it into the Secret and promotes it.
	Mint
	// Promote makes the announced key that the Secret holds the active one.
	Promote
	// Fence changes the Secret so that writes under way fail, and forgets the announced keys.
	Fence
	// Reshape brings labels, annotations and the previous key of the Secret up to date; its key stays.
	Reshape
	// Delete deletes the Secret and closes all records.
	Delete
	// Close closes all records; the Secret is gone already.
	Close
	// Block changes nothing and reports why.
	Block
)

// String names the action in logs.
func (a Action) String() string {
	return [...]string{"Settle", "Ignore", "Read", "Mint", "Promote", "Fence", "Reshape", "Delete", "Close", "Block"}[a]
}

// NeedsPolicies says whether an action must wait until policies are known. Ending a key and promoting the one that the
// Secret holds already must not: a key that is to end would live on, or a workload would hold one that is refused.
func (a Action) NeedsPolicies() bool {
	switch a {
	case Ignore, Read, Promote, Delete, Close:
		return false
	case Settle, Mint, Fence, Reshape, Block:
		return true
	default:
		return true
	}
}

// Plan is a decision: what to do, and why.
type Plan struct {
	// Check is the name of the check that decided.
	Check string
	// Action is what to do.
	Action Action
	// Trigger is what made it necessary; for Mint and Promote.
	Trigger v1alpha1.RotationTrigger
	// Reason and Message are what Ready reports; for Block.
	Reason, Message string
	// RetryAfter is when to look again where no event will tell; zero: an event will.
	RetryAfter time.Duration
}
