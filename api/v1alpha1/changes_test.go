// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"slices"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	environmentFixed = "environment cannot change: a key belongs to one environment for life; create another APIKey for the other one"
	ownerFixed       = "owner cannot be added, changed or removed: create another APIKey for the other user"
	secretNameFixed  = "secret.name cannot be added, changed or removed: workloads mount the Secret by that name; create another APIKey"
	secretKeyFixed   = "secret.key cannot be added, changed or removed: workloads read the Secret by that key; create another APIKey"
	deliveryFixed    = "secret.delivery cannot be added, changed or removed: it decides whether a copy of the key stays in the cluster; create another APIKey"
	revokedFixed     = "revoked cannot be undone: the key is dead for good; create a new APIKey, or use suspend for a temporary stop"

	expiresAtFinal = "expiresAt can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead"
	validForFinal  = "validFor can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead"
	revokedFinal   = "revoked can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead"
)

// changeRefusals are about what can never change.
func changeRefusals() []refusal {
	return []refusal{
		{name: "another environment", before: "{}", spec: "environment: Staging", field: "spec.environment", message: environmentFixed},
		{name: "the environment taken out", before: "{}", spec: "environment: null", field: "spec.environment", message: "Required value"},

		{name: "owner added", before: "{}", spec: "owner: jane", field: "spec.owner", message: ownerFixed},
		{name: "another owner", before: "owner: jane", spec: "owner: joe", field: "spec.owner", message: ownerFixed},
		{name: "owner removed", before: "owner: jane", spec: "{}", field: "spec.owner", message: ownerFixed},

		{name: "secret.name added", before: "secret: {key: one}", spec: "secret: {key: one, name: one}", field: "spec.secret.name", message: secretNameFixed},
		{name: "secret.name added with secret", before: "{}", spec: "secret: {name: one}", field: "spec.secret.name", message: secretNameFixed},
		{name: "another secret.name", before: "secret: {name: one}", spec: "secret: {name: two}", field: "spec.secret.name", message: secretNameFixed},
		{name: "secret.name removed", before: "secret: {name: one}", spec: "secret: {}", field: "spec.secret.name", message: secretNameFixed},
		{name: "secret.name removed with secret", before: "secret: {name: one}", spec: "{}", field: "spec.secret.name", message: secretNameFixed},

		{name: "secret.key added", before: "secret: {name: one}", spec: "secret: {name: one, key: one}", field: "spec.secret.key", message: secretKeyFixed},
		{name: "secret.key added with secret", before: "{}", spec: "secret: {key: one}", field: "spec.secret.key", message: secretKeyFixed},
		{name: "the default secret.key, said aloud", before: "{}", spec: "secret: {key: api-key}", field: "spec.secret.key", message: secretKeyFixed},
		{name: "another secret.key", before: "secret: {key: one}", spec: "secret: {key: two}", field: "spec.secret.key", message: secretKeyFixed},
		{name: "secret.key removed", before: "secret: {key: one}", spec: "secret: {}", field: "spec.secret.key", message: secretKeyFixed},
		{name: "secret.key removed with secret", before: "secret: {key: one}", spec: "{}", field: "spec.secret.key", message: secretKeyFixed},

		{
			name: "secret.delivery added", before: "secret: {key: one}", spec: "secret: {key: one, delivery: Once}",
			field: "spec.secret.delivery", message: deliveryFixed,
		},
		{name: "secret.delivery added with secret", before: "{}", spec: "secret: {delivery: Once}", field: "spec.secret.delivery", message: deliveryFixed},
		{name: "the default delivery, said aloud", before: "{}", spec: "secret: {delivery: Keep}", field: "spec.secret.delivery", message: deliveryFixed},
		{
			name: "Keep in place of Once", before: "secret: {delivery: Once}", spec: "secret: {delivery: Keep}",
			field: "spec.secret.delivery", message: deliveryFixed,
		},
		{
			name: "Once in place of Keep", before: "secret: {delivery: Keep}", spec: "secret: {delivery: Once}",
			field: "spec.secret.delivery", message: deliveryFixed,
		},
		{name: "secret.delivery removed", before: "secret: {delivery: Once}", spec: "secret: {}", field: "spec.secret.delivery", message: deliveryFixed},
		{name: "secret.delivery removed with secret", before: "secret: {delivery: Once}", spec: "{}", field: "spec.secret.delivery", message: deliveryFixed},

		{name: "revoked set to false", before: "revoked: true", spec: "revoked: false", field: "spec.revoked", message: revokedFixed},
		{name: "revoked removed", before: "revoked: true", spec: "{}", field: "spec.revoked", message: revokedFixed},
		{
			name:    "the whole spec replaced by one without revoked",
			before:  "{revoked: true, displayName: a, permissions: [a]}",
			spec:    "{displayName: b, permissions: [b]}",
			field:   "spec.revoked",
			message: revokedFixed,
		},
		{
			name:    "revoked removed while the operator catches up",
			before:  "revoked: true",
			phase:   v1alpha1.PhaseActive,
			spec:    "{}",
			field:   "spec.revoked",
			message: revokedFixed,
		},

		{
			name:    "validFor beside expiresAt",
			before:  `expiresAt: "2027-11-21T00:00:00Z"`,
			spec:    `{expiresAt: "2027-11-21T00:00:00Z", validFor: 1h}`,
			field:   "spec",
			message: bothExpiries,
		},
	}
}

// changeAdmissions are what changeRefusals must not catch.
func changeAdmissions() []admission {
	return slices.Concat(
		[]admission{
			{name: "an empty secret added", before: "{}", spec: "secret: {}"},
			{name: "an empty secret removed", before: "secret: {}", spec: "{}"},
			{
				name:   "labels of the Secret changed",
				before: "secret: {name: one, key: one, labels: {a: b}}",
				spec:   "secret: {name: one, key: one, annotations: {a: b}}",
			},
			{
				name:   "claimBefore changed",
				before: "secret: {delivery: Once, claimBefore: 1h}",
				spec:   "secret: {delivery: Once, claimBefore: 2h}",
			},
			{name: "claimBefore added", before: "secret: {delivery: Once}", spec: "secret: {delivery: Once, claimBefore: 2h}"},
			{name: "claimBefore removed", before: "secret: {delivery: Once, claimBefore: 2h}", spec: "secret: {delivery: Once}"},
			{name: "revoked", before: "{}", spec: "revoked: true"},
			{name: "revoked false removed", before: "revoked: false", spec: "{}"},
			{name: "revoked false added", before: "{}", spec: "revoked: false"},
			{name: "changed when revoked", before: "revoked: true", spec: "{revoked: true, displayName: a}"},
			{name: "suspended and resumed", before: "suspend: true", spec: "suspend: false"},
			{name: "expiresAt in place of validFor", before: "validFor: 1h", spec: `expiresAt: "2027-11-21T00:00:00Z"`},
			{name: "validFor in place of expiresAt", before: `expiresAt: "2027-11-21T00:00:00Z"`, spec: "validFor: 1h"},
			{
				name: "everything else changed",
				before: `{displayName: a, permissions: [a], roles: [a], customers: [a], validFor: 1h, rateLimit: {requests: 1, per: 1m}, rotation: ` +
					`{every: 1h}}`,
				spec: `{displayName: b, permissions: [b], roles: [b], customers: [b], validFor: 2h, rateLimit: {requests: 2, per: 2m}, rotation: ` +
					`{every: 2h, overlap: 1h}}`,
			},
		},
		expiryChanges(v1alpha1.PhasePending), expiryChanges(v1alpha1.PhaseActive), expiryChanges(v1alpha1.PhaseSuspended),
	)
}

// expiryChanges are free as long as the phase is not final.
func expiryChanges(phase v1alpha1.Phase) []admission {
	return []admission{
		{name: string(phase) + ", expiresAt changed", phase: phase, before: `expiresAt: "2027-11-21T00:00:00Z"`, spec: `expiresAt: "2026-11-21T00:00:00Z"`},
		{name: string(phase) + ", validFor removed", phase: phase, before: "validFor: 1h", spec: "{}"},
		{name: string(phase) + ", revoked", phase: phase, before: "{}", spec: "revoked: true"},
	}
}

// finalPhases are those in which expiry and revocation are frozen.
func finalPhases() []v1alpha1.Phase {
	return []v1alpha1.Phase{v1alpha1.PhaseExpired, v1alpha1.PhaseRevoked}
}

// finalRefusals are about what can no longer change once the key has ended.
func finalRefusals() []refusal {
	var cases []refusal
	for _, phase := range finalPhases() {
		name := string(phase) + ", "
		cases = append(cases, []refusal{
			{
				name:    name + "expiresAt moved into the future",
				phase:   phase,
				before:  `expiresAt: "2020-01-01T00:00:00Z"`,
				spec:    `expiresAt: "2030-01-01T00:00:00Z"`,
				field:   "spec.expiresAt",
				message: expiresAtFinal,
			},
			{
				name:    name + "expiresAt moved by a second",
				phase:   phase,
				before:  `expiresAt: "2020-01-01T00:00:00Z"`,
				spec:    `expiresAt: "2020-01-01T00:00:01Z"`,
				field:   "spec.expiresAt",
				message: expiresAtFinal,
			},
			{
				name:    name + "expiresAt in another zone",
				phase:   phase,
				before:  `expiresAt: "2020-01-01T00:00:00Z"`,
				spec:    `expiresAt: "2020-01-01T00:00:00-01:00"`,
				field:   "spec.expiresAt",
				message: expiresAtFinal,
			},
			{
				name:    name + "expiresAt added",
				phase:   phase,
				before:  "{}",
				spec:    `expiresAt: "2030-01-01T00:00:00Z"`,
				field:   "spec.expiresAt",
				message: expiresAtFinal,
			},
			{
				name:    name + "expiresAt removed",
				phase:   phase,
				before:  `expiresAt: "2020-01-01T00:00:00Z"`,
				spec:    "{}",
				field:   "spec.expiresAt",
				message: expiresAtFinal,
			},
			{name: name + "validFor changed", phase: phase, before: "validFor: 1h", spec: "validFor: 8760h", field: "spec.validFor", message: validForFinal},
			{name: name + "validFor added", phase: phase, before: "{}", spec: "validFor: 8760h", field: "spec.validFor", message: validForFinal},
			{name: name + "validFor removed", phase: phase, before: "validFor: 1h", spec: "{}", field: "spec.validFor", message: validForFinal},
			{name: name + "revoked added", phase: phase, before: "{}", spec: "revoked: true", field: "spec.revoked", message: revokedFinal},
			{name: name + "revoked changed", phase: phase, before: "revoked: false", spec: "revoked: true", field: "spec.revoked", message: revokedFinal},
		}...)
	}

	return cases
}

// finalAdmissions are what finalRefusals must not catch.
func finalAdmissions() []admission {
	var cases []admission
	for _, phase := range finalPhases() {
		name := string(phase) + ", "
		cases = append(cases, []admission{
			{name: name + "another displayName", phase: phase, before: "displayName: a", spec: "displayName: b"},
			{name: name + "suspend added", phase: phase, before: "revoked: true", spec: "{revoked: true, suspend: true}"},
			{name: name + "suspend removed", phase: phase, before: "suspend: true", spec: "{}"},
			{name: name + "other permissions", phase: phase, before: "{permissions: [a], validFor: 1h}", spec: "{permissions: [b], validFor: 1h}"},
			{name: name + "revoked false removed", phase: phase, before: "revoked: false", spec: "{}"},
			{
				name:   name + "the same expiresAt in another zone",
				phase:  phase,
				before: `expiresAt: "2020-01-01T01:00:00+01:00"`,
				spec:   `expiresAt: "2020-01-01T00:00:00Z"`,
			},
			{
				name:   name + "the same expiresAt to the second",
				phase:  phase,
				before: `expiresAt: "2020-01-01T00:00:00.7Z"`,
				spec:   `{expiresAt: "2020-01-01T00:00:00Z", displayName: a}`,
			},
		}...)
	}

	return cases
}
