// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

//nolint:lll // the lines are code, before and after
func deliveryMutants() []mutant {
	return []mutant{
		{name: "delete the Secret before the claim is recorded", seed: 89, changes: []change{{
			deleteGo, "	if err := r.writeStatus(ctx, a, lifecycle.Claimed(a.observed, a.now)); err != nil {\n", `	if mutant("delete the Secret before the claim is recorded") {
		if err := r.deleteSecret(ctx, a); err != nil {
			return err
		}

		return r.writeStatus(ctx, a, lifecycle.Claimed(a.observed, a.now))
	}
	if err := r.writeStatus(ctx, a, lifecycle.Claimed(a.observed, a.now)); err != nil {
`,
		}}},
		{name: "leave the Secret of a claimed key", seed: 449, changes: []change{{
			deliveryGo, "	if !claimed(o) {\n		return Plan{}, false\n	}\n", "	if !claimed(o) || mutant(\"leave the Secret of a claimed key\") {\n		return Plan{}, false\n	}\n",
		}}},
		{name: "miss the claim deadline", seed: 13, changes: []change{{
			deliveryGo, "	return reached(deadline, now) && (", "	return !mutant(\"miss the claim deadline\") && reached(deadline, now) && (",
		}}},
		{name: "keep the deadline of a claimed key", seed: 89, changes: []change{{
			deliveryGo, "			s.Keys[i].ClaimDeadline = nil\n", "			if !mutant(\"keep the deadline of a claimed key\") {\n				s.Keys[i].ClaimDeadline = nil\n			}\n",
		}}},
		{name: "hand out a key without a deadline", seed: 1, changes: []change{{
			deliveryGo, "	if !apikey.DeliversOnce() {\n		return nil\n", "	if !apikey.DeliversOnce() || mutant(\"hand out a key without a deadline\") {\n		return nil\n",
		}}},
		{name: "take any value for a claim", seed: 250, changes: []change{{
			deliveryGo, "apikey.Annotations[v1alpha1.ClaimAnnotation] == active.ID\n",
			"(apikey.Annotations[v1alpha1.ClaimAnnotation] == active.ID || mutant(\"take any value for a claim\") && apikey.Annotations[v1alpha1.ClaimAnnotation] != \"\")\n",
		}}},
		{name: "claim a key whose Secret is gone", seed: 1888, changes: []change{{
			deliveryGo, "claimRequested(o.APIKey) && holds(o, v1alpha1.KeyActive)\n",
			"claimRequested(o.APIKey) && (holds(o, v1alpha1.KeyActive) || mutant(\"claim a key whose Secret is gone\"))\n",
		}}},
		{name: "replace a claimed key that has no Secret", seed: 155, changes: []change{{
			decideGo, "		return !claimed(o) || requested(o, now)\n", "		return !claimed(o) || mutant(\"replace a claimed key that has no Secret\") || requested(o, now)\n",
		}}},
		{name: "promote a key after its deadline", seed: 227, changes: []change{{
			decideGo, "	if record == nil || reached(record.ClaimDeadline, now) {\n", "	if record == nil || reached(record.ClaimDeadline, now) && !mutant(\"promote a key after its deadline\") {\n",
		}}},
		{name: "delete a Secret by an older status", seed: 2532, changes: []change{{
			deleteGo, "	if !a.plan.Confirm {\n", "	if !a.plan.Confirm || mutant(\"delete a Secret by an older status\") {\n",
		}}},
		{name: "take an end by time for final", seed: 2532, changes: []change{{
			expiryGo, "	return apikey.Status.Phase.IsFinal() || apikey.Spec.Revoked ||", "	return apikey.Status.Phase.IsFinal() || mutant(\"take an end by time for final\") || apikey.Spec.Revoked ||",
		}}},
	}
}

//nolint:lll // the lines are code, before and after
func foundMutants() []mutant {
	return []mutant{
		{name: "found: discard the next delivery by an older status", seed: 108589, changes: []change{{
			deliveryGo, "Plan{Action: Discard, Confirm: true}", "Plan{Action: Discard, Confirm: !mutant(\"found: discard the next delivery by an older status\")}",
		}}},
		{name: "found: labels of an interrupted mint stay", seed: 242, changes: []change{{
			statusGo, "	if !o.Secret.InShape || o.Secret.PreviousDigest != \"\" {\n",
			"	if (!o.Secret.InShape || o.Secret.PreviousDigest != \"\") && !mutant(\"found: labels of an interrupted mint stay\") {\n",
		}}},
		{name: "found: a failure drops what removes the previous key", seed: 161, changes: []change{{
			statusGo, "	if secretGone(o) {\n		return nil\n	}\n	living :=", "	if secretGone(o) || mutant(\"found: a failure drops what removes the previous key\") {\n		return nil\n	}\n	living :=",
		}}},
		{name: "found: a Secret without a label is read for ever", seed: 16, changes: []change{{
			conflictGo, "	return secret.Type == v1alpha1.SecretType && secret.Labels", "	return secret.Type == v1alpha1.SecretType && mutant(\"found: a Secret without a label is read for ever\") || secret.Type == v1alpha1.SecretType && secret.Labels",
		}}},
		{name: "found: a copy that a finalizer keeps is polled", seed: 1047, changes: []change{{
			observeGo, "	known := a.observed.Secret.State == lifecycle.SecretUnread || a.observed", "	known := a.observed.Secret.State == lifecycle.SecretUnread || !mutant(\"found: a copy that a finalizer keeps is polled\") && a.observed",
		}}},
		{name: "found: a fence hides an edit of the Secret", seed: 1000016656, changes: []change{{
			statusGo, "	if !holds(o, v1alpha1.KeyActive) {\n		ref.ResourceVersion = unexamined\n",
			"	if !holds(o, v1alpha1.KeyActive) && !mutant(\"found: a fence hides an edit of the Secret\") {\n		ref.ResourceVersion = unexamined\n",
		}}},
		{name: "believe the status when the copy is gone", seed: 377919, changes: []change{{
			deleteGo, "	if a.secretRead {\n", "	if a.secretRead && !mutant(\"believe the status when the copy is gone\") {\n",
		}}},
		{name: "vouch for the records of an end that was not written", seed: 455769, changes: []change{{
			ledgerGo, "apikey.Status.Phase.IsFinal())\n", "!mutant(\"vouch for the records of an end that was not written\") && apikey.Status.Phase.IsFinal())\n",
		}}},
	}
}
