// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// entry restores an APIKey: the object, its Secret, its status, in this order. Each step finds out what an earlier run has done.
func (t Target) entry(ctx context.Context, e *Entry, claims claims) Outcome {
	now := t.Clock.Now()
	outcome := Outcome{Kind: "apikey", Name: e.Name(), Done: Restored}
	err := e.Check(now)
	if err != nil {
		err = refusef("the backup cannot be trusted with it: %s", err)
	} else {
		err = claims.check(e)
	}
	if err == nil {
		outcome.Done, err = t.restore(ctx, e, now)
	}
	outcome.Err = e.scrubbed(operations.WithMissingRule(err))
	outcome.Notes = e.notes()

	return outcome
}

// notes returns what the user has to know of the restored APIKey.
func (e *Entry) notes() []string {
	end, declared := e.spec().ExpiresAt, e.APIKey.Spec
	if end == nil || declared.ExpiresAt != nil && end.Equal(declared.ExpiresAt) {
		return nil
	}
	instead := ""
	if declared.ValidFor != "" {
		instead = " instead of validFor: " + string(declared.ValidFor)
	}

	return []string{fmt.Sprintf("its spec gets expiresAt: %q%s, so that it ends when it would have ended: change it in Git, too",
		end.UTC().Format(time.RFC3339), instead)}
}

// restore writes what is missing and returns what was done.
func (t Target) restore(ctx context.Context, e *Entry, now time.Time) (string, error) {
	live, err := t.createAPIKey(ctx, e)
	if err != nil {
		return "", err
	}
	switch done, err := t.compare(e, live, now); {
	case err != nil:
		return "", err
	case done:
		return Unchanged, nil
	case !e.hasKey():
		return Created, nil
	}
	if live, err = t.fixSpec(ctx, e, live); err != nil {
		return "", err
	}
	var secret *corev1.Secret
	if e.needsSecret(now) {
		if secret, err = t.createSecret(ctx, e, live); err != nil {
			return "", err
		}
	}
	live.Status = e.status(live, secret, now)
	if t.DryRun {
		return Restored, nil
	}
	err = t.Operator.Status().Update(ctx, live, client.FieldOwner(operations.FieldManager))
	if apierrors.IsConflict(err) {
		return "", refusef("it was changed while it was restored: run the same command again")
	}

	return Restored, err
}

// createAPIKey creates the APIKey as the user, or returns the existing one.
func (t Target) createAPIKey(ctx context.Context, e *Entry) (*v1alpha1.APIKey, error) {
	created := operations.New(e.Name(), e.spec())
	created.Labels, created.Annotations = maps.Clone(e.APIKey.Labels), maps.Clone(e.APIKey.Annotations)
	err := t.User.Create(ctx, created, t.createOptions()...)
	switch {
	case err == nil:
		return created, nil
	case apierrors.IsAlreadyExists(err):
		var live v1alpha1.APIKey

		return &live, t.User.Get(ctx, e.Name(), &live)
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%w: create the namespace first, with the labels that APIKeyPolicies select", err)
	default:
		return nil, err
	}
}

// compare reports whether the APIKey in the cluster needs nothing. It returns an error if that is another one than that of the backup.
func (t Target) compare(e *Entry, live *v1alpha1.APIKey, now time.Time) (bool, error) {
	if !live.DeletionTimestamp.IsZero() {
		return false, refusef("it exists and is being deleted: wait until it is gone, and run the same command again")
	}
	if !equality.Semantic.DeepEqual(live.Spec, e.spec()) && !equality.Semantic.DeepEqual(live.Spec, e.APIKey.Spec) {
		return false, refusef("it exists with another spec than in the backup: delete it, or make its spec the same, and run the same command again")
	}
	if fresh(live) {
		return false, nil
	}
	_, over := lifecycle.Ended(lifecycle.Observed{APIKey: live, PoliciesUnknown: true}, now)
	switch {
	case e.ended(now) && over, !e.ended(now) && hasAll(live.Status.Keys, e.APIKey.Status.Keys, now):
		return true, nil
	default:
		return false, refusef("it exists and has a key of its own: delete it, and run the same command again before the operator runs")
	}
}

// fresh reports whether no key was handed out or announced for an APIKey, and it has not ended.
func fresh(apikey *v1alpha1.APIKey) bool {
	s := &apikey.Status

	return len(s.Keys) == 0 && s.LastRotation == nil && s.SecretRef == nil && (s.Phase == "" || s.Phase == v1alpha1.PhasePending)
}

// hasAll reports whether the records of a status are those of the backup, except those that have ended since.
func hasAll(live, backedUp []v1alpha1.KeyRecord, now time.Time) bool {
	states := map[string]v1alpha1.KeyState{}
	for i := range live {
		states[live[i].Digest] = live[i].State
	}
	for i := range backedUp {
		r := &backedUp[i]
		lapsed := r.State == v1alpha1.KeyRetiring && (r.NotAfter == nil || !now.Before(r.NotAfter.Time))
		state, there := states[r.Digest]
		if delete(states, r.Digest); !there && !lapsed || there && state != r.State && r.State != v1alpha1.KeyPending {
			return false
		}
	}

	return len(states) == 0
}

// fixSpec makes the end of an APIKey that was there before absolute, as the user.
func (t Target) fixSpec(ctx context.Context, e *Entry, live *v1alpha1.APIKey) (*v1alpha1.APIKey, error) {
	if equality.Semantic.DeepEqual(live.Spec, e.spec()) {
		return live, nil
	}
	live.Spec = e.spec()
	options := []client.UpdateOption{client.FieldOwner(operations.FieldManager)}
	if t.DryRun {
		options = append(options, client.DryRunAll)
	}

	return live, t.User.Update(ctx, live, options...)
}

// createSecret creates the Secret as the operator, or returns the one that an earlier run has created.
func (t Target) createSecret(ctx context.Context, e *Entry, live *v1alpha1.APIKey) (*corev1.Secret, error) {
	owner := metav1.NewControllerRef(live, v1alpha1.GroupVersion.WithKind("APIKey"))
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: live.Namespace, Name: live.SecretName(), Labels: e.Secret.Labels, Annotations: e.Secret.Annotations,
			OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Type: v1alpha1.SecretType, Data: e.Secret.Data,
	}
	created := secret.DeepCopy()
	err := t.Operator.Create(withoutLogs(ctx), created, t.createOptions()...)
	if !apierrors.IsAlreadyExists(err) {
		return created, err
	}
	existing := &corev1.Secret{}
	if err := t.Operator.Get(withoutLogs(ctx), client.ObjectKeyFromObject(secret), existing); err != nil {
		return nil, err
	}
	switch {
	case !metav1.IsControlledBy(existing, live) || existing.Type != secret.Type:
		return nil, refusef("a Secret %q is there that is not its: delete or rename it, and run the same command again", secret.Name)
	case !equality.Semantic.DeepEqual(existing.Data, secret.Data):
		return nil, refusef("its Secret %q holds another key already, so an operator was at work: stop it, delete the APIKey, and run the same command "+
			"again", secret.Name)
	default:
		return existing, nil
	}
}
