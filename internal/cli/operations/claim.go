// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Errors about a claim. The text of the error that wraps one says what to do.
var (
	// ErrAlreadyClaimed tells that the key was claimed before.
	ErrAlreadyClaimed = errors.New("the key was claimed already")
	// ErrNotOnce tells that the Secret of the APIKey stays, so there is nothing to claim.
	ErrNotOnce = errors.New("the key is not delivered once")
	// ErrOnce tells that a key that is delivered once must be claimed and not just read.
	ErrOnce = errors.New("the key is delivered once")
	// ErrNotClaimedInTime tells that the key was revoked, because it was not claimed.
	ErrNotClaimedInTime = errors.New("the key was not claimed in time")
)

// maxClaims is how often Claim tries again when the APIKey changes meanwhile.
const maxClaims = 5

// Claim takes the key of an APIKey that is delivered once: it reads the Secret, and claims the key for its caller. Of several callers only one
// gets it: the claim has the version of the APIKey as its precondition that had no claim. It returns the APIKey with the claim, for
// AwaitClaimed.
func (s Service) Claim(ctx context.Context, key *v1alpha1.APIKey) (keys.Key, *v1alpha1.APIKey, error) {
	for range maxClaims {
		plain, err := s.claimable(ctx, key)
		if errors.Is(err, ErrAlreadyClaimed) || errors.Is(err, ErrNotOnce) || errors.Is(err, ErrNotClaimedInTime) {
			return keys.Key{}, nil, err
		}
		if err == nil {
			var claimed *v1alpha1.APIKey
			if claimed, err = s.setClaim(ctx, key, plain.Digest().ID()); err == nil {
				return plain, claimed, nil
			}
		}
		// The version of the APIKey may be older than a claim of another caller, whose Secret is gone by now.
		again, failed := s.Get(ctx, NameOf(key))
		switch {
		case failed != nil:
			return keys.Key{}, nil, failed
		case again.UID != key.UID:
			return keys.Key{}, nil, fmt.Errorf("apikey %s: %w", NameOf(key), ErrReplaced)
		case again.ResourceVersion == key.ResourceVersion:
			return keys.Key{}, nil, WithMissingRule(err)
		}
		key = again
	}

	return keys.Key{}, nil, fmt.Errorf("apikey %s changed %d times while its key was claimed; nothing is claimed, repeat the command", NameOf(key), maxClaims)
}

// claimable returns the key in the Secret if it can be claimed under the version of the APIKey.
func (s Service) claimable(ctx context.Context, key *v1alpha1.APIKey) (keys.Key, error) {
	name, delivery := NameOf(key), DeliveryOf(key, s.Clock.Now())
	switch {
	case !delivery.Once:
		return keys.Key{}, fmt.Errorf("%w: the Secret of apikey %s stays; leave out --claim", ErrNotOnce, name)
	case delivery.Missed:
		return keys.Key{}, notClaimedInTime(key)
	case delivery.ClaimedAt != nil:
		return keys.Key{}, alreadyClaimed(key, "at "+delivery.ClaimedAt.UTC().Format(time.RFC3339))
	}
	plain, err := s.keyIn(ctx, key, false)
	if err != nil {
		return keys.Key{}, err
	}
	id := plain.Digest().ID()
	if key.Annotations[v1alpha1.ClaimAnnotation] == id {
		return keys.Key{}, alreadyClaimed(key, "and the operator has not deleted the Secret yet")
	}
	if !slices.ContainsFunc(key.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.ID == id && r.State != v1alpha1.KeyRetiring }) {
		return keys.Key{}, fmt.Errorf("the Secret of apikey %s holds a key that the operator is about to replace: repeat the command", name)
	}

	return plain, nil
}

// setClaim sets the claim annotation of exactly this version of the APIKey.
func (s Service) setClaim(ctx context.Context, key *v1alpha1.APIKey, id string) (*v1alpha1.APIKey, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": key.UID, "resourceVersion": key.ResourceVersion, "annotations": map[string]string{v1alpha1.ClaimAnnotation: id},
	}})
	if err != nil {
		return nil, err
	}
	claimed := key.DeepCopy()

	return claimed, s.Client.Patch(ctx, claimed, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
}

// AwaitClaimed waits until the operator has acted on a claim that Claim has set: no copy of the key is left in the cluster, and the key keeps
// working.
func (s Service) AwaitClaimed(ctx context.Context, claimed *v1alpha1.APIKey, limit time.Duration) (*v1alpha1.APIKey, error) {
	id := claimed.Annotations[v1alpha1.ClaimAnnotation]
	after, err := s.await(ctx, claimed, limit, func(now *v1alpha1.APIKey) bool {
		return now.Status.ClaimedAt != nil && now.Status.SecretRef == nil || ViewOf(now, s.Clock.Now()).Ended() || replaced(now, id)
	})
	switch {
	case errors.Is(err, ErrWaitTimeout):
		return nil, fmt.Errorf("%w. The key is claimed, and its copy stays in Secret %s until the operator acts on the claim%s. Check that the "+
			"operator runs; do not repeat the command", err, claimed.SecretName(), deadlineOf(claimed))
	case err != nil:
		return nil, err
	case DeliveryOf(after, s.Clock.Now()).Missed:
		return nil, notClaimedInTime(after)
	case ViewOf(after, s.Clock.Now()).Ended():
		return nil, fmt.Errorf("apikey %s is %s: the key is refused for good; create another APIKey", NameOf(after), ViewOf(after, s.Clock.Now()).Status)
	case replaced(after, id):
		return nil, fmt.Errorf("apikey %s was rotated while its key was claimed, so key %s is or will be refused: "+
			"claim the key that took its place, by the same command", NameOf(after), id)
	default:
		return after, nil
	}
}

// replaced reports whether another key is the active one.
func replaced(key *v1alpha1.APIKey, id string) bool {
	return slices.ContainsFunc(key.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.State == v1alpha1.KeyActive && r.ID != id }) &&
		!slices.ContainsFunc(key.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.State != v1alpha1.KeyRetiring && r.ID == id })
}

func notClaimedInTime(key *v1alpha1.APIKey) error {
	return fmt.Errorf("%w: apikey %s is revoked for good; create another APIKey and claim its key sooner, or with a longer spec.secret.claimBefore",
		ErrNotClaimedInTime, NameOf(key))
}

func alreadyClaimed(key *v1alpha1.APIKey, when string) error {
	return fmt.Errorf("%w, %s: it was shown to the person who claimed it, and to no one again. If that person does not have it, replace it: "+
		"kubectl apikey rotate %s -n %s --overlap 0s", ErrAlreadyClaimed, when, key.Name, key.Namespace)
}

// deadlineOf says until when the operator has to act on a claim.
func deadlineOf(key *v1alpha1.APIKey) string {
	for _, r := range key.Status.Keys {
		if r.ID == key.Annotations[v1alpha1.ClaimAnnotation] && r.ClaimDeadline != nil {
			return ", and verifiers refuse the key from " + r.ClaimDeadline.UTC().Format(time.RFC3339) + " on unless it does before"
		}
	}

	return ""
}
