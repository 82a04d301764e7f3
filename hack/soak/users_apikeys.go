// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// claimBefore is longer than any soak.
const claimBefore = "720h"

// create creates the APIKey of the slot.
func (u *user) create(ctx context.Context, op schedule.Operation) error {
	var created *v1alpha1.APIKey
	_, err := persist(ctx, func(ctx context.Context) error {
		created = u.newAPIKey(op)
		err := u.cluster.admin.Create(ctx, created)
		if apierrors.IsAlreadyExists(err) { // by an attempt before, whose answer was lost
			err = u.cluster.admin.Get(ctx, client.ObjectKeyFromObject(created), created)
		}
		if err == nil && created.UID == u.uid {
			err = errors.New("the APIKey before is still there")
		}

		return err
	})
	if err != nil {
		return err
	}
	u.uid, u.values, u.overlap, u.expiring = created.UID, nil, op.SpecOverlap, op.ValidFor > 0
	u.oracle.Created(time.Now(), created)

	return nil
}

func (u *user) newAPIKey(op schedule.Operation) *v1alpha1.APIKey {
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: soakNamespace, Name: u.name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	if op.SpecOverlap > 0 {
		apikey.Spec.Rotation = &v1alpha1.Rotation{Overlap: v1alpha1.Duration(op.SpecOverlap.String())}
	}
	if op.ValidFor > 0 {
		apikey.Spec.ValidFor = v1alpha1.Duration(fmt.Sprintf("%ds", int(op.ValidFor.Seconds())))
	}
	if op.Once {
		apikey.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce, ClaimBefore: claimBefore}
	}

	return apikey
}

// recreate deletes the APIKey and creates another of the same name.
func (u *user) recreate(ctx context.Context, op schedule.Operation) error {
	uid := u.uid
	err := u.request(ctx, oracle.Intent{Kind: schedule.Recreate}, func(ctx context.Context) (string, error) {
		apikey := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: soakNamespace, Name: u.name}}

		return "", u.cluster.admin.Delete(ctx, apikey, client.Preconditions{UID: &uid})
	})
	if err != nil {
		return err
	}

	return u.create(ctx, op)
}

// rotate sets a new value of the rotate annotation. The value has an overlap of its own, or that of the spec applies.
func (u *user) rotate(ctx context.Context, op schedule.Operation) error {
	r := rotation{value: fmt.Sprintf("r%d", op.Number), overlap: u.overlap}
	switch {
	case op.Kind == schedule.RotateOverlap:
		r = rotation{value: fmt.Sprintf("%s,overlap=%s", r.value, op.Overlap), overlap: op.Overlap}
	case op.Choice%2 == 0:
		r = rotation{value: r.value + ",overlap=0s"}
	}
	u.values = append(u.values, r)

	return u.annotate(ctx, op.Kind, r)
}

// rotateAgain sets an earlier value of the rotate annotation.
func (u *user) rotateAgain(ctx context.Context, op schedule.Operation) error {
	if len(u.values) == 0 {
		return errNothing
	}

	return u.annotate(ctx, op.Kind, u.values[op.Choice%len(u.values)])
}

func (u *user) annotate(ctx context.Context, kind schedule.OperationKind, r rotation) error {
	return u.patch(ctx, oracle.Intent{Kind: kind, Value: r.value, Overlap: r.overlap},
		fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RotateAnnotation, r.value))
}

// claim claims the active key.
func (u *user) claim(ctx context.Context, _ schedule.Operation) error {
	apikey := u.observer.apikey(u.uid)
	if apikey == nil || apikey.Status.ClaimedAt != nil {
		return errNothing
	}
	i := slices.IndexFunc(apikey.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.State == v1alpha1.KeyActive })
	if i < 0 {
		return errNothing
	}

	return u.patch(ctx, oracle.Intent{Kind: schedule.Claim, Value: apikey.Status.Keys[i].ID},
		fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.ClaimAnnotation, apikey.Status.Keys[i].ID))
}

// expire sets an expiry, unless the APIKey has one.
func (u *user) expire(ctx context.Context, op schedule.Operation) error {
	if u.expiring {
		return errNothing
	}
	u.expiring = true
	ends := time.Now().Add(op.After).Truncate(time.Second)

	return u.patch(ctx, oracle.Intent{Kind: schedule.Expire, Ends: ends},
		fmt.Sprintf(`{"spec":{"expiresAt":%q}}`, ends.UTC().Format(time.RFC3339)))
}

// restoreStatus writes an earlier status over the present one, as a restore of a backup does. The guardrails let only the operator's account.
func (u *user) restoreStatus(ctx context.Context, op schedule.Operation) error {
	versions := u.observer.apikeyVersions(u.uid)
	if len(versions) < 2 {
		return errNothing
	}
	old := versions[op.Choice%len(versions)].Status

	return u.request(ctx, oracle.Intent{Kind: schedule.RestoreStatus}, func(ctx context.Context) (string, error) {
		apikey := &v1alpha1.APIKey{}
		if err := u.cluster.admin.Get(ctx, client.ObjectKey{Namespace: soakNamespace, Name: u.name}, apikey); err != nil {
			return "", err
		}
		if apikey.Status.Phase.IsFinal() {
			return "", errNothing
		}
		apikey.Status = *old.DeepCopy()
		err := u.cluster.operator.Status().Update(ctx, apikey)

		return apikey.ResourceVersion, err
	})
}
