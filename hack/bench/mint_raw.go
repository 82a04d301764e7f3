// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// A recording is what the operator wrote for one APIKey. The raw loop writes the same for each of its own, so that both send requests
// of the same sizes.
type recording struct {
	name    string
	pending *v1alpha1.APIKeyStatus
	active  *v1alpha1.APIKeyStatus
	secret  *corev1.Secret
}

// observe takes the states of the first APIKey that it is shown.
func (r *recording) observe(key *v1alpha1.APIKey) {
	if r.name == "" {
		r.name = key.Name
	}
	if key.Name != r.name || len(key.Status.Keys) == 0 {
		return
	}
	switch key.Status.Keys[0].State {
	case v1alpha1.KeyPending:
		r.pending = key.Status.DeepCopy()
	case v1alpha1.KeyActive:
		r.active = key.Status.DeepCopy()
	case v1alpha1.KeyRetiring:
	}
}

// finish reads the Secret that belongs to what was observed.
func (r *recording) finish(ctx context.Context, p *population) error {
	if r.pending == nil || r.active == nil || r.active.SecretRef == nil {
		return errors.New("the operator did not write a pending record, a Secret and an active record: there is nothing to compare with")
	}
	r.secret = &corev1.Secret{}
	name := types.NamespacedName{Namespace: p.namespace, Name: r.active.SecretRef.Name}
	if err := p.cluster.client.Get(ctx, name, r.secret); err != nil {
		return fmt.Errorf("read the Secret of %s: %w", r.name, err)
	}

	return nil
}

// byRawLoop mints with the requests of a mint alone, while the operator is down.
func (b *mintBench) byRawLoop(script *recording) minter {
	return func(ctx context.Context, created []*v1alpha1.APIKey, finish func(context.Context) error) (time.Duration, error) {
		operator, err := b.clientOf(b.operator)
		if err != nil {
			return 0, err
		}
		before := ownCPU()
		err = inParallel(ctx, b.options.workers, len(created), func(ctx context.Context, i int) error {
			return script.mint(ctx, operator, created[i])
		})
		if err != nil {
			return 0, fmt.Errorf("mint in the raw loop: %w", err)
		}

		return ownCPU() - before, finish(ctx)
	}
}

// ownCPU returns the processor time of this program so far.
func ownCPU() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // fails for a bad argument alone

	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// mint sends one read and three writes: that there is no Secret, the pending record, the Secret, and the active record.
func (r *recording) mint(ctx context.Context, c client.Client, key *v1alpha1.APIKey) error {
	drawn, err := keys.Generator{}.New(key.Spec.Environment)
	if err != nil {
		return err
	}
	name := client.ObjectKeyFromObject(key)
	switch err := c.Get(ctx, name, &corev1.Secret{}); {
	case err == nil:
		return fmt.Errorf("the Secret of %s exists already", name)
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("look for the Secret of %s: %w", name, err)
	}
	key.ManagedFields = nil // the operator's cache does not hold them either
	key.Status = r.status(r.pending, drawn)
	if err := c.Status().Update(ctx, key); err != nil {
		return fmt.Errorf("announce the key of %s: %w", name, err)
	}
	secret := r.secretFor(key, drawn)
	if err := c.Create(ctx, secret); err != nil {
		return fmt.Errorf("create Secret %s: %w", name, err)
	}
	key.ManagedFields = nil
	key.Status = r.status(r.active, drawn)
	key.Status.SecretRef = &v1alpha1.SecretReference{Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion}
	if err := c.Status().Update(ctx, key); err != nil {
		return fmt.Errorf("report the key of %s: %w", name, err)
	}

	return nil
}

// status returns a recorded status with another key.
func (r *recording) status(recorded *v1alpha1.APIKeyStatus, key keys.Key) v1alpha1.APIKeyStatus {
	status := *recorded.DeepCopy()
	digest := key.Digest()
	status.Keys[0].ID, status.Keys[0].Digest = digest.ID(), digest.String()

	return status
}

// secretFor returns the recorded Secret with another owner and another key.
func (r *recording) secretFor(owner *v1alpha1.APIKey, key keys.Key) *corev1.Secret {
	secret := r.secret.DeepCopy()
	secret.ObjectMeta = metav1.ObjectMeta{
		Namespace:       owner.Namespace,
		Name:            owner.Name,
		Labels:          secret.Labels,
		Annotations:     secret.Annotations,
		OwnerReferences: secret.OwnerReferences,
	}
	for i := range secret.OwnerReferences {
		secret.OwnerReferences[i].Name, secret.OwnerReferences[i].UID = owner.Name, owner.UID
	}
	for name := range secret.Data {
		secret.Data[name] = []byte(key.Reveal())
	}

	return secret
}
