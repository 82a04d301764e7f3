// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// claim records that the key was claimed before it deletes the Secret: a Secret that is gone without the record would stop the key.
func (r *Reconciler) claim(ctx context.Context, a *attempt) error {
	if err := r.writeStatus(ctx, a, lifecycle.Claimed(a.observed, a.now)); err != nil {
		return err
	}

	return r.discard(ctx, a)
}

// discard deletes the Secret of a claimed key. The Secret is the last object that tells a forged record from one of the operator, so the status
// is without forged ones before it goes, and the operator vouches for that status: a record that is forged meanwhile is none of its own.
func (r *Reconciler) discard(ctx context.Context, a *attempt) error {
	if a.secretRead {
		if err := r.writeStatus(ctx, a, lifecycle.Accounted(a.observed, a.now)); err != nil {
			return err
		}
	}
	if err := r.confirmPlan(ctx, a); err != nil {
		return err
	}
	if a.checked() {
		r.Ledger.vouch(a.observed.APIKey)
		a.observed.Unvouched = false
	}
	if err := r.deleteSecret(ctx, a); err != nil {
		return err
	}
	a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretAbsent}

	return r.writeStatus(ctx, a, lifecycle.Settled(a.observed, a.now))
}

// end deletes the Secret, then closes the records.
func (r *Reconciler) end(ctx context.Context, a *attempt) error {
	if err := r.confirmPlan(ctx, a); err != nil {
		return err
	}
	if err := r.deleteSecret(ctx, a); err != nil {
		return err
	}

	return r.writeStatus(ctx, a, lifecycle.Closed(a.observed, a.now))
}

// confirmPlan makes sure that the APIKey is as it was observed, where the plan says so: the cache of an operator that has just begun to lead can
// be older than the Secret that it reads.
func (r *Reconciler) confirmPlan(ctx context.Context, a *attempt) error {
	if !a.plan.Confirm {
		return nil
	}

	return r.confirm(ctx, a.observed.APIKey)
}

// confirm returns an error unless the API server has the APIKey in the version that was observed. A status update without a change stores
// nothing, and is refused under another resourceVersion. The operator has no right to read an APIKey by name, and an answer to a read would
// have to be compared here. A status that the API server refuses to store says nothing about the version, and must not keep the Secret of a
// key that has ended.
func (r *Reconciler) confirm(ctx context.Context, apikey *v1alpha1.APIKey) error {
	err := r.APIKeys.Status().Update(ctx, apikey.DeepCopy())
	switch {
	case err == nil, apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return nil
	case apierrors.IsNotFound(err):
		return &goneError{cause: err}
	default:
		return fmt.Errorf("confirm the version of APIKey %s/%s: %w", apikey.Namespace, apikey.Name, err)
	}
}

// deleteSecret deletes the observed version of the Secret. Another version can hold the key of another writer.
func (r *Reconciler) deleteSecret(ctx context.Context, a *attempt) error {
	ref := a.observed.Secret.Ref
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: a.observed.APIKey.Namespace, Name: ref.Name}}
	err := r.Secrets.Delete(withoutLogs(ctx), secret, client.Preconditions{UID: &ref.UID, ResourceVersion: &ref.ResourceVersion})
	if apierrors.IsNotFound(err) {
		err = r.confirmGone(ctx, secret, err)
	}
	if err != nil {
		return asRefused(scrubbed(err, keys.Key{}), "", "delete Secret %s/%s", secret.Namespace, secret.Name)
	}

	return nil
}

// confirmGone reads a Secret whose deletion was answered with "not found". An admission plugin can give that answer while the Secret
// exists.
func (r *Reconciler) confirmGone(ctx context.Context, secret *corev1.Secret, answer error) error {
	err := r.Secrets.Get(withoutLogs(ctx), client.ObjectKeyFromObject(secret), secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("the Secret still exists after the answer: %w", answer)
	}
}
