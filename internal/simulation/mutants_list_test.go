// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

// The files that mutants change.
const (
	applyGo    = "internal/controller/apply.go"
	conflictGo = "internal/controller/conflicts.go"
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

// inMint is where mint has drawn a key and has not announced it.
const inMint = "	digest := key.Digest()\n"

// mutants returns all mutants: first those of the write protocol, then those of decisions, then the faults that the simulation has found.
func mutants() []mutant {
	return append(append(writeMutants(), decisionMutants()...), foundMutants()...)
}

//nolint:lll // the lines are code, before and after
func writeMutants() []mutant {
	return []mutant{
		{name: "announce after handing out", seed: 1, changes: []change{{applyGo, inMint, inMint + `	if mutant("announce after handing out") {
		secret, err := r.handOut(ctx, a, key)
		if err != nil {
			return err
		}
		if err := r.writeStatus(ctx, a, lifecycle.Announced(a.observed, digest.String(), digest.ID(), a.now)); err != nil {
			return err
		}

		return r.promote(ctx, a, digest.String(), reference(secret))
	}
`}}},
		{name: "hand out a key that is not announced any more", seed: 1, changes: []change{{
			applyGo, "	secret, err := r.handOut(ctx, a, key)\n	if err != nil {\n		return err\n	}\n\n	return r.promote", `	if mutant("hand out a key that is not announced any more") {
		if err := r.writeStatus(ctx, a, lifecycle.Failed(a.observed, lifecycle.Failure{Announced: digest.String()}, a.now)); err != nil {
			return err
		}
	}
	secret, err := r.handOut(ctx, a, key)
	if err != nil {
		return err
	}

	return r.promote`,
		}}},
		{name: "promote before handing out", seed: 1, changes: []change{{
			applyGo, "// holdBack checks policies", `func (r *Reconciler) promoteFirst(ctx context.Context, a *attempt, key keys.Key) error {
	if err := r.promote(ctx, a, key.Digest().String(), v1alpha1.SecretReference{Name: a.observed.APIKey.SecretName(), UID: "none", ResourceVersion: "0"}); err != nil {
		return err
	}
	_, err := r.handOut(ctx, a, key)

	return err
}

// holdBack checks policies`,
		}, {applyGo, "	if a.guardrailsErr != nil {\n		return a.guardrailsErr\n	}\n", `	if a.guardrailsErr != nil {
		return a.guardrailsErr
	}
	if mutant("promote before handing out") {
		key, err := r.Keys.New(a.observed.APIKey.Spec.Environment)
		if err != nil {
			return err
		}
		if err := r.writeStatus(ctx, a, lifecycle.Announced(a.observed, key.Digest().String(), key.Digest().ID(), a.now)); err != nil {
			return err
		}

		return r.promoteFirst(ctx, a, key)
	}
`}}},
		{name: "update the Secret without its version", seed: 102, changes: []change{{
			secretGo, `	if secret.ResourceVersion != "" {
`, `	if secret.ResourceVersion != "" && mutant("update the Secret without its version") {
		verb, write = "update", func() error {
			secret.ResourceVersion, secret.UID = "", ""

			return r.Secrets.Update(withoutLogs(ctx), secret)
		}
	} else if secret.ResourceVersion != "" {
`,
		}}},
		{name: "read the Secret again before the write", seed: 378, changes: []change{{
			secretGo, `	announced := ""
`, `	if mutant("read the Secret again before the write") {
		latest := &corev1.Secret{}
		if err := r.Secrets.Get(withoutLogs(ctx), client.ObjectKeyFromObject(secret), latest); err == nil {
			secret.ResourceVersion, secret.UID = latest.ResourceVersion, latest.UID
			verb, write = "update", func() error { return r.Secrets.Update(withoutLogs(ctx), secret) }
		}
	}
	announced := ""
`,
		}, {secretGo, `	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
`, `	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
`}}},
		{name: "delete the Secret without preconditions", seed: 189, changes: []change{{
			applyGo, `	if apierrors.IsNotFound(err) {
		err = r.confirmGone(ctx, secret, err)
`, `	if mutant("delete the Secret without preconditions") {
		err = r.Secrets.Delete(withoutLogs(ctx), secret)
	}
	if apierrors.IsNotFound(err) {
		err = r.confirmGone(ctx, secret, err)
`,
		}}},
		{name: "adopt the Secrets of others", changes: []change{{
			observeGo, "	case !metav1.IsControlledBy(secret, apikey):\n", "	case !metav1.IsControlledBy(secret, apikey) && !mutant(\"adopt the Secrets of others\"):\n",
		}}},
		{name: "write the status over a conflict", seed: 25, changes: []change{{
			applyGo, "	err := r.APIKeys.Status().Update(ctx, after)\n", `	err := r.APIKeys.Status().Update(ctx, after)
	if mutant("write the status over a conflict") && apierrors.IsConflict(err) {
		latest := &v1alpha1.APIKey{}
		if err := r.APIKeys.Get(ctx, client.ObjectKeyFromObject(after), latest); err != nil {
			return err
		}
		after.ResourceVersion = latest.ResourceVersion
		err = r.APIKeys.Status().Update(ctx, after)
	}
`,
		}}},
	}
}

//nolint:lll // the lines are code, before and after
func decisionMutants() []mutant {
	return []mutant{
		{name: "accept the key in an edited Secret", seed: 3, changes: []change{{
			decideGo, "	if record == nil {\n", "	if record == nil && !(mutant(\"accept the key in an edited Secret\") && o.Secret.State == SecretOwned && modified(o)) {\n",
		}, {statusGo, "	s.Keys = records\n	s.SecretRef = &ref\n", `	if mutant("accept the key in an edited Secret") && recordOf(records, digest) == nil {
		records = append(records, v1alpha1.KeyRecord{ID: digest[:12], Digest: digest, State: v1alpha1.KeyActive, CreatedAt: *v1alpha1.StorableTime(now)})
	}
	s.Keys = records
	s.SecretRef = &ref
`}}},
		{name: "drop older announced keys when announcing", seed: 1227, changes: []change{{
			statusGo, "	s.Keys = append(s.Keys, v1alpha1.KeyRecord{\n", `	if mutant("drop older announced keys when announcing") {
		s.Keys = without(s.Keys, inState(v1alpha1.KeyPending))
	}
	s.Keys = append(s.Keys, v1alpha1.KeyRecord{
`,
		}}},
		{name: "keep older keys without an overlap", seed: 3, changes: []change{{
			statusGo, "		case r.State == v1alpha1.KeyPending || keep == 0:\n",
			"		case r.State == v1alpha1.KeyPending || keep == 0 && !mutant(\"keep older keys without an overlap\"):\n",
		}}},
		{name: "keep the old record Active", seed: 1, changes: []change{{
			statusGo, "		case r.State == v1alpha1.KeyActive:\n			r = retire",
			"		case r.State == v1alpha1.KeyActive && !mutant(\"keep the old record Active\"):\n			r = retire",
		}}},
		{name: "raise notAfter", seed: 11, changes: []change{{
			recordsGo, "	if r.NotAfter == nil || notAfter.Before(r.NotAfter) {\n", "	if r.NotAfter == nil || notAfter.Before(r.NotAfter) || mutant(\"raise notAfter\") {\n",
		}}},
		{name: "act again on an earlier value", seed: 2297, changes: []change{{
			valuesGo, "		!slices.Contains(apikey.Status.RotateValues, rotateDigest(value))\n",
			"		(mutant(\"act again on an earlier value\") || !slices.Contains(apikey.Status.RotateValues, rotateDigest(value)))\n",
		}}},
		{name: "take the overlap of spec for a request", seed: 1, changes: []change{{
			rotationGo, "		consider(request.Overlap)\n", "		if !mutant(\"take the overlap of spec for a request\") {\n			consider(request.Overlap)\n		}\n",
		}}},
		{name: "take the cause from the annotation of now", seed: 9797, changes: []change{{
			rotationGo, "	if record == nil || record.Rotation == nil {\n", "	if record == nil || record.Rotation == nil || mutant(\"take the cause from the annotation of now\") {\n",
		}}},
		{name: "revive an ended key", seed: 85, changes: []change{{
			expiryGo, "	case apikey.Status.Phase == v1alpha1.PhaseRevoked, apikey.Status.Phase == v1alpha1.PhaseExpired:\n",
			"	case !mutant(\"revive an ended key\") && (apikey.Status.Phase == v1alpha1.PhaseRevoked || apikey.Status.Phase == v1alpha1.PhaseExpired):\n",
		}, {
			expiryGo, "	return o.APIKey.Status.Phase == v1alpha1.PhaseExpired || reached",
			"	return !mutant(\"revive an ended key\") && o.APIKey.Status.Phase == v1alpha1.PhaseExpired || reached",
		}}},
		{name: "miss the expiry", changes: []change{{
			expiryGo, "	case Expired(o, now):\n", "	case !mutant(\"miss the expiry\") && Expired(o, now):\n",
		}}},
		{name: "leave the Secret of an ended key", seed: 12, changes: []change{{
			decideGo, "		return Plan{Action: Delete}, true", "		if mutant(\"leave the Secret of an ended key\") {\n			return Plan{Action: Close}, true\n		}\n\n		return Plan{Action: Delete}, true",
		}}},
		{name: "keep records that the Secret does not account for", seed: 100, changes: []change{{
			accountGo, "	end, listed := s.Account.Ends[r.Digest]\n", `	end, listed := s.Account.Ends[r.Digest]
	if mutant("keep records that the Secret does not account for") {
		return r, true
	}
`,
		}}},
		{name: "trust every writer of a status", seed: 412, changes: []change{{
			ledgerGo, "	if l == nil || makesNoKeyValid(apikey) {\n", "	if l == nil || makesNoKeyValid(apikey) || mutant(\"trust every writer of a status\") {\n",
		}}},
		{name: "leave an interrupted rotation", seed: 27, changes: []change{{
			decideGo, "		return !holds(o, v1alpha1.KeyActive) || hasPending(o.APIKey.Status.Keys) ||\n",
			"		return !holds(o, v1alpha1.KeyActive) || hasPending(o.APIKey.Status.Keys) && !mutant(\"leave an interrupted rotation\") ||\n",
		}}},
		{name: "observe a generation without acting on it", seed: 183, changes: []change{{
			decideGo, "	return apikey.Generation != apikey.Status.ObservedGeneration ||\n",
			"	return apikey.Generation != apikey.Status.ObservedGeneration && !mutant(\"observe a generation without acting on it\") ||\n",
		}}},
		{name: "keep the record of a deleted Secret", seed: 158, changes: []change{{
			recordsGo, "	return o.Secret.State == SecretAbsent || o.Secret.State == SecretTerminating ||\n",
			"	return o.Secret.State == SecretAbsent && !mutant(\"keep the record of a deleted Secret\") || o.Secret.State == SecretTerminating ||\n",
		}}},
	}
}

//nolint:lll // the lines are code, before and after
func foundMutants() []mutant {
	return []mutant{
		{name: "found: labels of an interrupted mint stay", seed: 1354, changes: []change{{
			statusGo, "	if !o.Secret.InShape || o.Secret.PreviousDigest != \"\" {\n",
			"	if (!o.Secret.InShape || o.Secret.PreviousDigest != \"\") && !mutant(\"found: labels of an interrupted mint stay\") {\n",
		}}},
		{name: "found: a failure drops what removes the previous key", seed: 161, changes: []change{{
			statusGo, "	if secretGone(o) {\n		return nil\n	}\n	living :=", "	if secretGone(o) || mutant(\"found: a failure drops what removes the previous key\") {\n		return nil\n	}\n	living :=",
		}}},
		{name: "found: a Secret without a label is read for ever", seed: 15, changes: []change{{
			conflictGo, "	return secret.Type == v1alpha1.SecretType && secret.Labels", "	return secret.Type == v1alpha1.SecretType && mutant(\"found: a Secret without a label is read for ever\") || secret.Type == v1alpha1.SecretType && secret.Labels",
		}}},
	}
}
