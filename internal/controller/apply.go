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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// apply carries out a plan: at most one effect on the Secret, then one status write that reports it.
func (r *Reconciler) apply(ctx context.Context, p *pass) error {
	switch p.plan.Action {
	case lifecycle.Mint:
		return r.mint(ctx, p)
	case lifecycle.Promote:
		return r.promote(ctx, p, p.observed.Secret.Digest, p.observed.Secret.Ref)
	case lifecycle.Fence:
		return r.fence(ctx, p)
	case lifecycle.Reshape:
		return r.reshape(ctx, p)
	case lifecycle.Delete:
		return r.deleteSecret(ctx, p)
	case lifecycle.Close:
		return r.writeStatus(ctx, p, lifecycle.Closed(p.observed, p.now))
	case lifecycle.Block:
		return r.writeStatus(ctx, p, lifecycle.Blocked(p.observed, p.plan.Reason, p.plan.Message, p.now))
	case lifecycle.Settle:
		return r.writeStatus(ctx, p, lifecycle.Settled(p.observed, p.now))
	case lifecycle.Ignore, lifecycle.Read: // Read was carried out before; a decision on what was read is never Read again
		return nil
	default:
		return fmt.Errorf("action %d has no effect that is known", p.plan.Action)
	}
}

// mint announces a new key, hands it out and promotes it, in this order: a key that a workload can hold is always one
// that verifiers know, and a key that verifiers accept is always one that this operator has drawn.
func (r *Reconciler) mint(ctx context.Context, p *pass) error {
	if p.ungated != nil {
		return p.ungated
	}
	key, err := r.Keys.New(p.observed.APIKey.Spec.Environment)
	if err != nil {
		return err
	}
	digest := key.Digest()
	if err := r.writeStatus(ctx, p, lifecycle.Announced(p.observed, digest.String(), digest.ID(), p.now)); err != nil {
		return err
	}
	if held, err := r.holdBack(ctx, p, digest.String()); held || err != nil {
		return err
	}
	secret, err := r.handOut(ctx, p, key)
	if err != nil {
		return err
	}

	return r.promote(ctx, p, digest.String(), reference(secret))
}

// holdBack looks at the rules once more, right before a key is handed out: they may have changed while the Secret was read
// and the key announced. Where they forbid it now, the announcement is taken back.
func (r *Reconciler) holdBack(ctx context.Context, p *pass, announced string) (bool, error) {
	r.observeRules(ctx, p)
	if err := errors.Join(p.unruled, p.ungated); err != nil {
		return false, err
	}
	block, held := lifecycle.HoldsBack(p.observed, p.now)
	if !held {
		return false, nil
	}
	p.plan = block

	return true, r.writeStatus(ctx, p, lifecycle.Withheld(p.observed, announced, block, p.now))
}

// promote makes the key that the Secret holds the active one.
func (r *Reconciler) promote(ctx context.Context, p *pass, digest string, ref v1alpha1.SecretReference) error {
	return r.writeStatus(ctx, p, lifecycle.Promoted(p.observed, digest, ref, p.plan.Trigger, p.now))
}

// handOut writes a key into the Secret, if that is still as it was read: a Secret that has changed since may hold a key
// that another writer has announced, or one that was planted. It is not read again here for the same reason.
func (r *Reconciler) handOut(ctx context.Context, p *pass, key keys.Key) (*corev1.Secret, error) {
	secret, err := r.draft(p)
	if err != nil {
		return nil, err
	}
	dataKey, previousKey := p.observed.APIKey.SecretDataKey(), p.observed.APIKey.SecretPreviousDataKey()
	if lifecycle.KeepsPrevious(p.observed, p.now) {
		secret.Data[previousKey] = secret.Data[dataKey]
	} else {
		delete(secret.Data, previousKey)
	}
	secret.Data[dataKey] = []byte(key.Reveal())
	promoted := lifecycle.Promoted(p.observed, key.Digest().String(), reference(secret), p.plan.Trigger, p.now)
	setAccount(secret, promoted.Keys)

	return secret, r.writeSecret(ctx, secret, key)
}

// fence changes the Secret so that every write that is under way fails on its precondition. With no Secret there,
// it makes one without a key: a writer that found none would create it.
func (r *Reconciler) fence(ctx context.Context, p *pass) error {
	secret, err := r.draft(p)
	if err != nil {
		return err
	}
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.SecretFenceAnnotation, p.observed.APIKey.ResourceVersion)
	if !p.observed.Secret.Account.Known {
		setAccount(secret, lifecycle.Fenced(p.observed, reference(secret), p.now).Keys)
	}
	if err := r.writeSecret(ctx, secret, keys.Key{}); err != nil {
		return err
	}

	return r.writeStatus(ctx, p, lifecycle.Fenced(p.observed, reference(secret), p.now))
}

// reshape brings all of the Secret but its key up to date.
func (r *Reconciler) reshape(ctx context.Context, p *pass) error {
	secret, err := r.draft(p)
	if err != nil {
		return err
	}
	if lifecycle.PreviousIsStale(p.observed, p.now) {
		delete(secret.Data, p.observed.APIKey.SecretPreviousDataKey())
	}
	if !p.observed.Secret.Account.Known { // it is from before there were accounts; else it stays: this pass may see an older status
		setAccount(secret, lifecycle.Settled(p.observed, p.now).Keys)
	}
	if err := r.writeSecret(ctx, secret, keys.Key{}); err != nil {
		return err
	}
	p.observed.Secret.Ref = reference(secret)

	return r.writeStatus(ctx, p, lifecycle.Settled(p.observed, p.now))
}

// deleteSecret deletes the very Secret that was observed, then closes the records.
func (r *Reconciler) deleteSecret(ctx context.Context, p *pass) error {
	ref := p.observed.Secret.Ref
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.observed.APIKey.Namespace, Name: ref.Name}}
	err := r.Secrets.Delete(quiet(ctx), secret, client.Preconditions{UID: &ref.UID, ResourceVersion: &ref.ResourceVersion})
	if apierrors.IsNotFound(err) {
		err = r.confirmGone(ctx, secret, err)
	}
	if err != nil {
		return asRefused(scrubbed(err, keys.Key{}), "", "delete Secret %s/%s", secret.Namespace, secret.Name)
	}

	return r.writeStatus(ctx, p, lifecycle.Closed(p.observed, p.now))
}

// confirmGone looks whether a Secret is gone whose deletion was answered with "not found": an admission plugin can answer
// that, too, and then the Secret is still there.
func (r *Reconciler) confirmGone(ctx context.Context, secret *corev1.Secret, answer error) error {
	err := r.Secrets.Get(quiet(ctx), client.ObjectKeyFromObject(secret), secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("the Secret is still there after the answer: %w", answer)
	}
}

// writeStatus writes a status if it differs, provided that nobody has changed the APIKey since it was read,
// and tells about what the change means. It is the only place that writes a status.
func (r *Reconciler) writeStatus(ctx context.Context, p *pass, status v1alpha1.APIKeyStatus) error {
	before := p.observed.APIKey
	if equality.Semantic.DeepEqual(before.Status, status) {
		return nil
	}
	after := before.DeepCopy()
	after.Status = status
	if p.checked() {
		r.Ledger.intend(after)
	}
	err := r.APIKeys.Status().Update(ctx, after)
	if apierrors.IsNotFound(err) {
		return &goneError{cause: err}
	}
	if err != nil {
		return fmt.Errorf("write the status of APIKey %s/%s: %w", before.Namespace, before.Name, err)
	}
	p.observed.APIKey = after
	if p.checked() {
		r.Ledger.vouch(after)
	}
	r.Reporter.statusChanged(ctx, before, after, r.Clock.Now())
	if dispute(after) != nil && dispute(before) == nil {
		logDispute(ctx, p.observed.Disputes)
	}
	r.reportDropped(ctx, p)

	return nil
}
