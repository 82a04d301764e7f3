// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of an APIKey. Ready and Active are set once the operator has seen the object, and Compliant where an APIKeyPolicy applies.
// Disputed, ExpiringSoon, Reconciling and Stalled are set only while they are true; kstatus expects that of the last two.
const (
	// ConditionReady is True when this generation is reconciled: the cluster is as spec declares it.
	ConditionReady = "Ready"

	// ConditionActive is True while verifiers accept the key.
	ConditionActive = "Active"

	// ConditionCompliant is True when the APIKey meets every APIKeyPolicy for its namespace. When it is False, a key that was handed out
	// keeps working until its owner or an administrator acts.
	ConditionCompliant = "Compliant"

	// ConditionDisputed is True while status.keys of another APIKey holds the digest of a key of this one. Verifiers refuse such a key.
	// If it is the active key, Active and Ready are False with the same reason.
	ConditionDisputed = "Disputed"

	// ConditionExpiringSoon is True once the end of a key that was handed out is as near as a warning of spec.expiry.warnBefore, until the
	// end. The key works meanwhile, so Ready and Active do not depend on it.
	ConditionExpiringSoon = "ExpiringSoon"

	// ConditionReconciling is True while the operator works towards Ready and needs no help.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True while the operator cannot reach Ready until a user acts.
	ConditionStalled = "Stalled"
)

// Reasons of the conditions of an APIKey.
const (
	// ReasonMinted surfaces when the Secret holds the active key, and stays.
	ReasonMinted = "Minted"

	// ReasonAwaitingClaim surfaces with delivery Once when the Secret holds the active key and the key was not claimed yet.
	ReasonAwaitingClaim = "AwaitingClaim"

	// ReasonClaimed surfaces with delivery Once when the active key was claimed: it works, and its Secret is deleted.
	ReasonClaimed = "Claimed"

	// ReasonNotClaimed surfaces with delivery Once when the claim deadline has passed without a claim: the key is refused for good.
	ReasonNotClaimed = "NotClaimed"

	// ReasonMinting surfaces when the first key has been announced and is not yet handed out.
	ReasonMinting = "Minting"

	// ReasonRotating surfaces when a replacement has been announced and the Secret is about to be changed.
	ReasonRotating = "Rotating"

	// ReasonSuspended surfaces when spec.suspend is true and the key is refused.
	ReasonSuspended = "Suspended"

	// ReasonRevoked surfaces when spec.revoked is true and the key is refused for good.
	ReasonRevoked = "Revoked"

	// ReasonExpired surfaces when the expiry has passed and the key is refused for good.
	ReasonExpired = "Expired"

	// ReasonDisputed surfaces when status.keys of another APIKey holds the digest of a key of this one: verifiers refuse that key.
	ReasonDisputed = "Disputed"

	// ReasonExpiringSoon surfaces when the expiry is as near as a warning of spec.expiry.warnBefore of the APIKeyPolicies.
	ReasonExpiringSoon = "ExpiringSoon"

	// ReasonDeleting surfaces when the APIKey is being deleted and waits for a finalizer: the key is refused for good.
	ReasonDeleting = "Deleting"

	// ReasonSecretTerminating surfaces when the Secret is being deleted and waits for a finalizer: its key has stopped.
	ReasonSecretTerminating = "SecretTerminating"

	// ReasonSecretConflict surfaces when a Secret with the wanted name exists that this APIKey does not control.
	ReasonSecretConflict = "SecretConflict"

	// ReasonPolicyMet surfaces when the APIKey meets every APIKeyPolicy for its namespace.
	ReasonPolicyMet = "PolicyMet"

	// ReasonPolicyDenied surfaces when the APIKey does not meet an APIKeyPolicy: in Compliant, and in Ready if no key was handed out yet,
	// because then none is minted.
	ReasonPolicyDenied = "PolicyDenied"

	// ReasonGuardrailsMissing surfaces when a key is due and the policies that guard APIKeys at the API server are not all as this operator
	// expects.
	ReasonGuardrailsMissing = "GuardrailsMissing"

	// ReasonRequestRefused surfaces when the API server refuses a request of the operator: missing permission, admission, quota.
	ReasonRequestRefused = "RequestRefused"

	// ReasonRequestFailed surfaces when requests of the operator have failed 3 times in a row or for 30 seconds, and the API
	// server has not said that it refuses them: an admission webhook that is down, a time-out, an error of the storage.
	ReasonRequestFailed = "RequestFailed"
)
