// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

// inMint is where mint has drawn a key and has not announced it.
const inMint = "	digest := key.Digest()\n"

// inFence is where fence changes the Secret, and then drops the records of announced keys.
const inFence = `	secret, err := r.fenced(ctx, a, lifecycle.Fenced(a.observed, a.observed.Secret.Ref, a.now).Keys)
	if err != nil {
		return err
	}

	return r.writeStatus(ctx, a, lifecycle.Fenced(a.observed, reference(secret), a.now))
`

//nolint:lll // the lines are code, before and after
func writeMutants() []mutant {
	return []mutant{
		{name: "announce after handing out", changes: []change{{applyGo, inMint, inMint + `	if mutant("announce after handing out") {
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
		{name: "update the Secret without its version", seed: 501, changes: []change{{
			secretGo, `	if secret.ResourceVersion != "" {
`, `	if secret.ResourceVersion != "" && mutant("update the Secret without its version") {
		verb, write = "update", func() error {
			secret.ResourceVersion, secret.UID = "", ""

			return r.Secrets.Update(withoutLogs(ctx), secret)
		}
	} else if secret.ResourceVersion != "" {
`,
		}}},
		{name: "read the Secret again before the write", seed: 315, changes: []change{{
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
		{name: "delete the Secret without preconditions", seed: 257, changes: []change{{
			deleteGo, `	if apierrors.IsNotFound(err) {
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
		{name: "write the status over a conflict", seed: 20, changes: []change{{
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
		}, {applyGo, "	metav1 \"k8s.io/apimachinery/pkg/apis/meta/v1\"\n", `	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
`}}},
		{name: "drop the oldest announced key instead of a fence", seed: 3130, changes: []change{{
			decideGo, "	return Plan{Action: Fence, RetryAfter: fenceRetry}, due(o, now) &&",
			"	return Plan{Action: Fence, RetryAfter: fenceRetry}, !mutant(\"drop the oldest announced key instead of a fence\") && due(o, now) &&",
		}}},
		{name: "drop announced keys without a fence", seed: 294, changes: []change{{applyGo, inFence, `	if mutant("drop announced keys without a fence") {
		return r.writeStatus(ctx, a, lifecycle.Fenced(a.observed, a.observed.Secret.Ref, a.now))
	}
` + inFence}}},
		{name: "drop announced keys before the fence", seed: 747, changes: []change{{applyGo, inFence, `	if mutant("drop announced keys before the fence") {
		if err := r.writeStatus(ctx, a, lifecycle.Fenced(a.observed, a.observed.Secret.Ref, a.now)); err != nil {
			return err
		}
	}
` + inFence}}},
		{name: "fence only a Secret that exists", seed: 294, changes: []change{{applyGo, inFence, `	if mutant("fence only a Secret that exists") && a.secret == nil {
		return r.writeStatus(ctx, a, lifecycle.Fenced(a.observed, a.observed.Secret.Ref, a.now))
	}
` + inFence}}},
		{name: "promote over a later announcement without a fence", seed: 159057, changes: []change{{
			decideGo, "Fence: announcedAfter(", "Fence: !mutant(\"promote over a later announcement without a fence\") && announcedAfter(",
		}}},
	}
}
