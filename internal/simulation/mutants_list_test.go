// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

import "slices"

// The files that mutants change.
const (
	applyGo    = "internal/controller/apply.go"
	conflictGo = "internal/controller/conflicts.go"
	deleteGo   = "internal/controller/delete.go"
	deliveryGo = "internal/lifecycle/delivery.go"
	ledgerGo   = "internal/controller/ledger.go"
	observeGo  = "internal/controller/observe.go"
	secretGo   = "internal/controller/secret.go"
	accountGo  = "internal/lifecycle/account.go"
	decideGo   = "internal/lifecycle/decide.go"
	expiryGo   = "internal/lifecycle/expiry.go"
	recordsGo  = "internal/lifecycle/records.go"
	rotationGo = "internal/lifecycle/rotation.go"
	statusGo   = "internal/lifecycle/status.go"
	valuesGo   = "internal/lifecycle/rotatevalues.go"
)

// mutants returns all mutants: of the write protocol, of decisions, of causes, of delivery Once, and the faults that the simulation has found.
func mutants() []mutant {
	return slices.Concat(writeMutants(), decisionMutants(), causeMutants(), deliveryMutants(), foundMutants())
}

//nolint:lll // the lines are code, before and after
func decisionMutants() []mutant {
	return []mutant{
		{name: "accept the key in an edited Secret", seed: 3, changes: []change{{
			decideGo, "	if record == nil || reached(record.ClaimDeadline, now) {\n", `	if mutant("accept the key in an edited Secret") && modified(o) {
		return Plan{Action: Promote, Trigger: v1alpha1.TriggerSecretModified}, true
	}
	if record == nil || reached(record.ClaimDeadline, now) {
`}, {statusGo, "	s.Keys = records\n	s.SecretRef, s.ClaimedAt = &ref, nil\n", `	if mutant("accept the key in an edited Secret") && recordOf(records, digest) == nil && len(digest) > 12 {
		records = append(records, v1alpha1.KeyRecord{ID: digest[:12], Digest: digest, State: v1alpha1.KeyActive, CreatedAt: *v1alpha1.StorableTime(now)})
	}
	s.Keys = records
	s.SecretRef, s.ClaimedAt = &ref, nil
`}}},
		{name: "drop older announced keys when announcing", seed: 101, changes: []change{{
			statusGo, "	s.Keys = append(s.Keys, v1alpha1.KeyRecord{\n", `	if mutant("drop older announced keys when announcing") {
		s.Keys = without(s.Keys, inState(v1alpha1.KeyPending))
	}
	s.Keys = append(s.Keys, v1alpha1.KeyRecord{
`,
		}}},
		{name: "keep older keys without an overlap", seed: 6, changes: []change{{
			statusGo, "		case r.State == v1alpha1.KeyPending || keep == 0:\n",
			"		case r.State == v1alpha1.KeyPending || keep == 0 && !mutant(\"keep older keys without an overlap\"):\n",
		}}},
		{name: "keep the old record Active", seed: 6, changes: []change{{
			statusGo, "		case r.State == v1alpha1.KeyActive:\n			r = retire",
			"		case r.State == v1alpha1.KeyActive && !mutant(\"keep the old record Active\"):\n			r = retire",
		}}},
		{name: "raise notAfter", changes: []change{{
			recordsGo, "	r.ClaimDeadline = nil\n\n	return r\n", "	r.ClaimDeadline = nil\n	if mutant(\"raise notAfter\") {\n		r.NotAfter = notAfter.DeepCopy()\n	}\n\n	return r\n",
		}}},
		{name: "act again on an earlier value", seed: 7184, changes: []change{{
			valuesGo, "		!slices.Contains(apikey.Status.RotateValues, rotateDigest(value))\n",
			"		(mutant(\"act again on an earlier value\") || !slices.Contains(apikey.Status.RotateValues, rotateDigest(value)))\n",
		}}},
		{name: "take the overlap of spec for a request", seed: 6, changes: []change{{
			rotationGo, "		consider(request.Overlap)\n", "		if !mutant(\"take the overlap of spec for a request\") {\n			consider(request.Overlap)\n		}\n",
		}}},
		{name: "take the cause from the annotation of now", seed: 9797, changes: []change{{
			rotationGo, "	if record == nil || record.Rotation == nil {\n", "	if record == nil || record.Rotation == nil || mutant(\"take the cause from the annotation of now\") {\n",
		}}},
		{name: "revive an ended key", seed: 85, changes: []change{{
			expiryGo, "	case apikey.Status.Phase.IsFinal():\n",
			"	case !mutant(\"revive an ended key\") && apikey.Status.Phase.IsFinal():\n",
		}, {
			expiryGo, "	return o.APIKey.Status.Phase == v1alpha1.PhaseExpired || reached",
			"	return !mutant(\"revive an ended key\") && o.APIKey.Status.Phase == v1alpha1.PhaseExpired || reached",
		}}},
		{name: "miss the expiry", seed: 65, changes: []change{{
			expiryGo, "	case Expired(o, now):\n", "	case !mutant(\"miss the expiry\") && Expired(o, now):\n",
		}}},
		{name: "leave the Secret of an ended key", seed: 1, changes: []change{{
			decideGo, "		return Plan{Action: Delete, ", "		if mutant(\"leave the Secret of an ended key\") {\n			return Plan{Action: Close}, true\n		}\n\n		return Plan{Action: Delete, ",
		}}},
		{name: "keep records that the Secret does not account for", seed: 635, changes: []change{{
			accountGo, "	end, listed := s.Account.Ends[r.Digest]\n", `	end, listed := s.Account.Ends[r.Digest]
	if mutant("keep records that the Secret does not account for") {
		return r, true
	}
`,
		}}},
		{name: "trust every writer of a status", seed: 321, changes: []change{{
			ledgerGo, "	if l == nil || makesNoKeyValid(apikey) {\n", "	if l == nil || makesNoKeyValid(apikey) || mutant(\"trust every writer of a status\") {\n",
		}}},
		{name: "leave an interrupted rotation", seed: 37, changes: []change{{
			decideGo, "	return hasPending(o.APIKey.Status.Keys) || rotationRequested",
			"	return hasPending(o.APIKey.Status.Keys) && !mutant(\"leave an interrupted rotation\") || rotationRequested",
		}}},
		{name: "observe a generation without acting on it", seed: 336, changes: []change{{
			decideGo, "	return apikey.Generation != apikey.Status.ObservedGeneration ||\n",
			"	return apikey.Generation != apikey.Status.ObservedGeneration && !mutant(\"observe a generation without acting on it\") ||\n",
		}}},
		{name: "keep the record of a deleted Secret", seed: 155, changes: []change{{
			recordsGo, "	return o.Secret.State == SecretAbsent || o.Secret.State == SecretTerminating ||\n",
			"	return o.Secret.State == SecretAbsent && !mutant(\"keep the record of a deleted Secret\") || o.Secret.State == SecretTerminating ||\n",
		}}},
	}
}
