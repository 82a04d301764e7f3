// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of an APIKey. Ready and Active are always there once the operator has seen the object, Compliant where
// an APIKeyPolicy is for it; Disputed, Reconciling and Stalled only while they are true, the last two as kstatus expects.
const (
	// ConditionReady is True when this generation is reconciled: the cluster is as spec declares it.
	ConditionReady = "Ready"

	// ConditionActive is True while verifiers accept the key.
	ConditionActive = "Active"

	// ConditionCompliant is True when the APIKey meets every APIKeyPolicy that is for its namespace. A key that was handed
	// out works on when it is False: somebody has to decide about it.
	ConditionCompliant = "Compliant"

	// ConditionDisputed is True while status.keys of another APIKey holds the digest of a key of this one. Verifiers refuse such a key,
	// whichever APIKey it belongs to. Where it is the active key, Active and Ready are False with the same reason.
	ConditionDisputed = "Disputed"

	// ConditionReconciling is True while the operator works towards Ready and expects to get there by itself.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True while the operator cannot get to Ready unless someone acts.
	ConditionStalled = "Stalled"
)

// Reasons of the conditions of an APIKey.
const (
	// ReasonMinted surfaces when the Secret holds the active key.
	ReasonMinted = "Minted"

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

	// ReasonDeleting surfaces when the APIKey is being deleted and waits for a finalizer: the key is refused for good.
	ReasonDeleting = "Deleting"

	// ReasonSecretTerminating surfaces when the Secret is being deleted and waits for a finalizer: its key has stopped.
	ReasonSecretTerminating = "SecretTerminating"

	// ReasonSecretConflict surfaces when a Secret with the wanted name exists that this APIKey does not control.
	ReasonSecretConflict = "SecretConflict"

	// ReasonPolicyMet surfaces when the APIKey meets every APIKeyPolicy that is for its namespace.
	ReasonPolicyMet = "PolicyMet"

	// ReasonPolicyDenied surfaces when the APIKey does not meet an APIKeyPolicy: in Ready before a key is handed out,
	// which it then is not, and in Compliant.
	ReasonPolicyDenied = "PolicyDenied"

	// ReasonGuardrailsMissing surfaces when a key is to be minted and the policies that guard APIKeys at the API server
	// are not all there as this operator expects them.
	ReasonGuardrailsMissing = "GuardrailsMissing"

	// ReasonRequestRefused surfaces when the API server refuses what the operator needs: missing permission, admission, quota.
	ReasonRequestRefused = "RequestRefused"

	// ReasonRequestFailed surfaces when requests of the operator have failed 3 times in a row or for 30 seconds, and the API
	// server has not said that it refuses them: an admission webhook that is down, a time-out, an error of the storage.
	ReasonRequestFailed = "RequestFailed"
)
