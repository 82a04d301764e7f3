// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Reveal reads a key from its Secret. With previous it reads the key that still works while an overlap runs. A key that is delivered once
// has to be claimed instead: a key that was read and not claimed is revoked later.
func (s Service) Reveal(ctx context.Context, key *v1alpha1.APIKey, previous bool) (keys.Key, error) {
	delivery := DeliveryOf(key, s.Clock.Now())
	switch {
	case delivery.Missed:
		return keys.Key{}, notClaimedInTime(key)
	case delivery.ClaimedAt != nil && !ViewOf(key, s.Clock.Now()).Ended():
		return keys.Key{}, alreadyClaimed(key, "at "+delivery.ClaimedAt.UTC().Format(time.RFC3339))
	case delivery.Awaits() && !previous:
		return keys.Key{}, fmt.Errorf("%w: apikey %s is revoked unless its key is claimed; add --claim, which takes the key and deletes its Secret",
			ErrOnce, NameOf(key))
	}

	return s.keyIn(ctx, key, previous)
}

// keyIn reads a key from the Secret of an APIKey. A Secret that this APIKey does not control is not read: its content is of unknown origin.
func (s Service) keyIn(ctx context.Context, key *v1alpha1.APIKey, previous bool) (keys.Key, error) {
	if ViewOf(key, s.Clock.Now()).Ended() {
		return keys.Key{}, fmt.Errorf("apikey %s is %s: its Secret was deleted and the key is dead for good; create another APIKey",
			NameOf(key), ViewOf(key, s.Clock.Now()).Status)
	}
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.SecretName()}
	var secret corev1.Secret
	switch err := s.Client.Get(ctx, name, &secret); {
	case apierrors.IsNotFound(err):
		return keys.Key{}, fmt.Errorf("there is no Secret %s yet: %s", name, reported(key))
	case err != nil:
		return keys.Key{}, WithMissingRule(err)
	case !metav1.IsControlledBy(&secret, key) || secret.Type != v1alpha1.SecretType:
		return keys.Key{}, fmt.Errorf("the Secret %s is not that of apikey %s: delete or rename it, and the operator makes the right one", name, NameOf(key))
	}
	dataKey := key.SecretDataKey()
	if previous {
		dataKey = key.SecretPreviousDataKey()
	}
	value, there := secret.Data[dataKey]
	if !there && previous {
		return keys.Key{}, fmt.Errorf("apikey %s has no previous key: no overlap is running", NameOf(key))
	}
	plain, err := keys.Parse(string(value))
	if err != nil {
		return keys.Key{}, fmt.Errorf("the Secret %s holds no API key under %q: the operator replaces it within seconds; repeat the command", name, dataKey)
	}

	return plain, nil
}

// reported returns what the operator says about an APIKey.
func reported(key *v1alpha1.APIKey) string {
	if ready := condition(key, v1alpha1.ConditionReady); ready != nil {
		return "the operator reports " + ready.Reason + ": " + ready.Message
	}

	return "the operator has not reported on the APIKey: check that it runs"
}
