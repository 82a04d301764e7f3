// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// ownSecret reads the Secret of the APIKey.
func (u *user) ownSecret(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := u.cluster.operator.Get(ctx, client.ObjectKey{Namespace: soakNamespace, Name: u.name}, secret); err != nil {
		return nil, err
	}
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID != u.uid {
		return nil, errNothing // it is that of the APIKey before
	}

	return secret, nil
}

// presentSecret returns the uid of the Secret of the APIKey.
func (u *user) presentSecret(ctx context.Context) (uid types.UID, err error) {
	_, err = persist(ctx, func(ctx context.Context) error {
		secret, err := u.ownSecret(ctx)
		if err == nil {
			uid = secret.UID
		}

		return err
	})
	if missing(err) {
		err = errNothing
	}

	return uid, err
}

// deleteSecret deletes the Secret, which requests a rotation.
func (u *user) deleteSecret(ctx context.Context, _ schedule.Operation) error {
	uid, err := u.presentSecret(ctx)
	if err != nil {
		return err
	}

	return u.request(ctx, oracle.Intent{Kind: schedule.DeleteSecret, Secret: uid}, func(ctx context.Context) (string, error) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: soakNamespace, Name: u.name}}
		err := u.cluster.admin.Delete(ctx, secret, client.Preconditions{UID: &uid})
		if apierrors.IsConflict(err) { // another Secret by now
			err = apierrors.NewNotFound(corev1.Resource("secrets"), u.name)
		}

		return "", err
	})
}

// editSecret replaces the key in the Secret by a text, by a key that the operator has not drawn, or by an earlier key.
func (u *user) editSecret(ctx context.Context, op schedule.Operation) error {
	text := fmt.Sprintf("edited %d", op.Number)
	switch op.Choice % 3 {
	case 1:
		key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
		if err != nil {
			return err
		}
		text = key.Reveal()
		u.oracle.Planted(u.uid, key.Digest().String(), key.Digest().ID())
		u.vault.learn(u.uid, []byte(text))
	case 2:
		if versions := u.observer.secretVersions(u.uid); len(versions) > 0 {
			text = string(versions[0].Data[v1alpha1.SecretKeyDefault])
		}
	}

	return u.changeSecret(ctx, op.Kind, func(secret *corev1.Secret) {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[v1alpha1.SecretKeyDefault] = []byte(text)
	})
}

// restoreSecret writes an earlier version of the Secret over the present one.
func (u *user) restoreSecret(ctx context.Context, op schedule.Operation) error {
	versions := u.observer.secretVersions(u.uid)
	if len(versions) == 0 {
		return errNothing
	}
	old := versions[op.Choice%len(versions)]

	return u.changeSecret(ctx, op.Kind, func(secret *corev1.Secret) {
		secret.Data, secret.Annotations, secret.Labels = maps.Clone(old.Data), maps.Clone(old.Annotations), maps.Clone(old.Labels)
	})
}

// changeSecret changes the Secret of the APIKey, which the guardrails let only the operator's account.
func (u *user) changeSecret(ctx context.Context, kind schedule.OperationKind, change func(*corev1.Secret)) error {
	uid, err := u.presentSecret(ctx)
	if err != nil {
		return err
	}

	return u.request(ctx, oracle.Intent{Kind: kind, Secret: uid}, func(ctx context.Context) (string, error) {
		secret, err := u.ownSecret(ctx)
		if err != nil {
			return "", err
		}
		if secret.UID != uid {
			return "", errNothing
		}
		change(secret)
		err = u.cluster.operator.Update(ctx, secret)

		return secret.ResourceVersion, err
	})
}
