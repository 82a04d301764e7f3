// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// patience is how long a change may take to show: it takes well under a second, and more on a busy machine.
	patience = 2 * time.Minute
	// calm is how long stays watches for a write. The operator acts on an apply within milliseconds. On a machine where it takes longer, the step
	// passes without having seen the write, and does not fail without one.
	calm         = time.Second
	pollInterval = 50 * time.Millisecond
)

// observation is an APIKey and its Secret as the API server has them.
type observation struct {
	apikey *v1alpha1.APIKey // nil: there is none
	secret *corev1.Secret   // nil: there is none
}

// observe reads an APIKey and its Secret.
func (g *guide) observe(ctx context.Context, key types.NamespacedName) (observation, error) {
	apikey, secret := new(v1alpha1.APIKey), new(corev1.Secret)
	found := observation{apikey: apikey, secret: secret}
	if err := g.client.Get(ctx, key, apikey); apierrors.IsNotFound(err) {
		found.apikey = nil
	} else if err != nil {
		return observation{}, err
	}
	// The samples leave spec.secret.name out: the Secret has the name of its APIKey.
	if err := g.client.Get(ctx, key, secret); apierrors.IsNotFound(err) {
		found.secret = nil
	} else if err != nil {
		return observation{}, err
	}

	return found, nil
}

// key returns the API key itself, empty where there is none.
func (o observation) key() string {
	if o.secret == nil {
		return ""
	}

	return string(o.secret.Data[v1alpha1.SecretKeyDefault])
}

// digest returns what status.keys holds of the API key.
func (o observation) digest() string {
	sum := sha256.Sum256([]byte(o.key()))

	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// keyID returns what logs and events call the API key.
func (o observation) keyID() string { return o.digest()[:12] }

// eventually waits until an APIKey that the operator has reconciled meets all expectations.
func (g *guide) eventually(ctx context.Context, key types.NamespacedName, all ...expectation) (observation, error) {
	return g.await(ctx, key, append([]expectation{reconciled}, all...)...)
}

// await waits until all expectations are met, and returns the observation that met them.
func (g *guide) await(ctx context.Context, key types.NamespacedName, all ...expectation) (last observation, err error) {
	err = retry(ctx, func(ctx context.Context) (err error) {
		if last, err = g.observe(ctx, key); err != nil {
			return err
		}

		return meets(last, all)
	})
	if err != nil {
		return last, fmt.Errorf("APIKey %s, %w", key, err)
	}

	return last, nil
}

// retry calls try until it returns nil, and gives up after patience with the last error.
func retry(ctx context.Context, try func(context.Context) error) error {
	last := errors.New("no answer")
	err := wait.PollUntilContextTimeout(ctx, pollInterval, patience, true, func(ctx context.Context) (bool, error) {
		err := try(ctx)
		if ctx.Err() != nil { // an attempt that was cut short says less than the one before it
			return false, ctx.Err()
		}
		last = err

		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("after %s: %w", patience, last)
	}

	return nil
}

// stays checks that nothing writes an APIKey or its Secret for a while. Every write changes the resourceVersion.
func (g *guide) stays(ctx context.Context, key types.NamespacedName, before observation) error {
	var now observation
	err := wait.PollUntilContextTimeout(ctx, pollInterval, calm, true, func(ctx context.Context) (_ bool, err error) {
		if now, err = g.observe(ctx, key); err != nil {
			return false, err
		}

		return false, meets(now, []expectation{apikeyIs(before.apikey), secretIs(before.secret)})
	})
	if wait.Interrupted(err) && ctx.Err() == nil { // the time is over
		return nil
	}

	return err
}
