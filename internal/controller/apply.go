// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// apply carries out a plan: at most one effect on the Secret, then one status write that reports it.
func (r *Reconciler) apply(ctx context.Context, a *attempt) error {
	switch a.plan.Action {
	case lifecycle.Mint:
		return r.mint(ctx, a)
	case lifecycle.Promote:
		return r.promoteHeld(ctx, a)
	case lifecycle.Fence:
		return r.fence(ctx, a)
	case lifecycle.Reshape:
		return r.reshape(ctx, a)
	case lifecycle.Claim:
		return r.claim(ctx, a)
	case lifecycle.Discard:
		return r.discard(ctx, a)
	case lifecycle.Delete:
		return r.end(ctx, a)
	case lifecycle.Close:
		return r.writeStatus(ctx, a, lifecycle.Closed(a.observed, a.now))
	case lifecycle.Block:
		return r.writeStatus(ctx, a, lifecycle.Blocked(a.observed, a.plan.Reason, a.plan.Message, a.now))
	case lifecycle.Settle:
		return r.writeStatus(ctx, a, lifecycle.Settled(a.observed, a.now))
	case lifecycle.Ignore, lifecycle.Read: // Read was carried out before; a decision on what was read is never Read again
		return nil
	default:
		return fmt.Errorf("unknown action %d", a.plan.Action)
	}
}

// mint announces a new key, hands it out and promotes it, in this order. So verifiers know every key that a workload can hold,
// and this operator has drawn every key that verifiers accept.
func (r *Reconciler) mint(ctx context.Context, a *attempt) error {
	if a.guardrailsErr != nil {
		return a.guardrailsErr
	}
	key, err := r.Keys.New(a.observed.APIKey.Spec.Environment)
	if err != nil {
		return err
	}
	digest := key.Digest()
	r.Ledger.draw(a.observed.APIKey, digest.String())
	if err := r.writeStatus(ctx, a, lifecycle.Announced(a.observed, digest.String(), digest.ID(), a.now)); err != nil {
		return err
	}
	if held, err := r.holdBack(ctx, a, digest.String()); held || err != nil {
		return err
	}
	secret, err := r.handOut(ctx, a, key)
	if err != nil {
		return err
	}

	return r.promote(ctx, a, digest.String(), reference(secret))
}

// holdBack checks policies and guardrails again right before a key is handed out, because they may have changed while the Secret was
// read and the key announced. If they forbid the key by now, holdBack withdraws the announcement.
func (r *Reconciler) holdBack(ctx context.Context, a *attempt, announced string) (bool, error) {
	r.observeRules(ctx, a)
	if err := errors.Join(a.policiesErr, a.guardrailsErr); err != nil {
		return false, err
	}
	block, held := lifecycle.HoldsBack(a.observed, a.now)
	if !held {
		return false, nil
	}
	a.plan = block

	return true, r.writeStatus(ctx, a, lifecycle.Withheld(a.observed, announced, block, a.now))
}

// promoteHeld makes the announced key that was read from the Secret the active one. Records of other announced keys are dropped with that, so
// a write of one of them that can still succeed is made to fail first.
func (r *Reconciler) promoteHeld(ctx context.Context, a *attempt) error {
	if a.plan.Fence {
		held := a.observed.Secret
		promoted := lifecycle.Promoted(a.observed, held.Digest, held.Ref, a.plan.Trigger, a.now)
		secret, err := r.fenced(ctx, a, promoted.Keys)
		if err != nil {
			return err
		}
		a.observed.Secret.Ref = reference(secret)
	}

	return r.promote(ctx, a, a.observed.Secret.Digest, lifecycle.PromotedRef(a.observed))
}

// promote makes the key that the Secret holds the active one.
func (r *Reconciler) promote(ctx context.Context, a *attempt, digest string, ref v1alpha1.SecretReference) error {
	return r.writeStatus(ctx, a, lifecycle.Promoted(a.observed, digest, ref, a.plan.Trigger, a.now))
}

// handOut writes a key into the Secret, provided that the Secret has not changed since it was read. A changed Secret may hold a key that
// another writer has announced, or a planted key. For the same reason handOut does not read the Secret again.
func (r *Reconciler) handOut(ctx context.Context, a *attempt, key keys.Key) (*corev1.Secret, error) {
	secret, err := r.draft(a)
	if err != nil {
		return nil, err
	}
	dataKey, previousKey := a.observed.APIKey.SecretDataKey(), a.observed.APIKey.SecretPreviousDataKey()
	if lifecycle.KeepsPrevious(a.observed, a.now) {
		secret.Data[previousKey] = secret.Data[dataKey]
	} else {
		delete(secret.Data, previousKey)
	}
	secret.Data[dataKey] = []byte(key.Reveal())
	promoted := lifecycle.Promoted(a.observed, key.Digest().String(), reference(secret), a.plan.Trigger, a.now)
	setAccount(secret, promoted.Keys)

	return secret, r.writeSecret(ctx, secret, key)
}

// fence changes the Secret so that every write under way fails on its precondition. If there is no Secret, fence creates one without a
// key, because a writer that found none is about to create it.
func (r *Reconciler) fence(ctx context.Context, a *attempt) error {
	secret, err := r.fenced(ctx, a, lifecycle.Fenced(a.observed, a.observed.Secret.Ref, a.now).Keys)
	if err != nil {
		return err
	}

	return r.writeStatus(ctx, a, lifecycle.Fenced(a.observed, reference(secret), a.now))
}

// fenced writes the Secret in another version, with the same key, and returns it. The records are those that the status will have. They become
// the Account of a Secret of an older operator, which has none.
func (r *Reconciler) fenced(ctx context.Context, a *attempt, records []v1alpha1.KeyRecord) (*corev1.Secret, error) {
	secret, err := r.draft(a)
	if err != nil {
		return nil, err
	}
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.SecretFenceAnnotation, a.observed.APIKey.ResourceVersion)
	if !a.observed.Secret.Account.Known {
		setAccount(secret, records)
	}

	return secret, r.writeSecret(ctx, secret, keys.Key{})
}

// reshape updates everything in the Secret except its key.
func (r *Reconciler) reshape(ctx context.Context, a *attempt) error {
	secret, err := r.draft(a)
	if err != nil {
		return err
	}
	if lifecycle.PreviousIsStale(a.observed, a.now) {
		delete(secret.Data, a.observed.APIKey.SecretPreviousDataKey())
	}
	if !a.observed.Secret.Account.Known { // an older operator wrote it; a known account stays, because this attempt may see an older status
		setAccount(secret, lifecycle.Settled(a.observed, a.now).Keys)
	}
	if err := r.writeSecret(ctx, secret, keys.Key{}); err != nil {
		return err
	}
	a.observed.Secret.Ref = reference(secret)

	return r.writeStatus(ctx, a, lifecycle.Settled(a.observed, a.now))
}

// writeStatus writes a status that differs, provided that the APIKey has not changed since it was read, and reports the change.
// It is the only place that writes a status.
func (r *Reconciler) writeStatus(ctx context.Context, a *attempt, status v1alpha1.APIKeyStatus) error {
	before := a.observed.APIKey
	if equality.Semantic.DeepEqual(before.Status, status) {
		return nil
	}
	after := before.DeepCopy()
	after.Status = status
	if a.checked() {
		r.Ledger.intend(after)
	}
	err := r.APIKeys.Status().Update(ctx, after)
	if apierrors.IsNotFound(err) {
		return &goneError{cause: err}
	}
	if err != nil {
		return fmt.Errorf("write the status of APIKey %s/%s: %w", before.Namespace, before.Name, err)
	}
	a.observed.APIKey = after
	if a.checked() {
		r.Ledger.vouch(after)
		a.observed.Unvouched = false
	}
	r.Reporter.report(ctx, before, after, r.Clock.Now())
	if dispute(after) != nil && dispute(before) == nil {
		logDispute(ctx, a.observed.Disputes)
	}
	r.reportDroppedRecords(ctx, a)

	return nil
}
