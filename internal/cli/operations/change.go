// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Change is an edit of an APIKey in memory. Apply sends it.
type Change func(key *v1alpha1.APIKey)

// Suspend disables the key until it is resumed.
func Suspend() Change { return func(key *v1alpha1.APIKey) { key.Spec.Suspend = true } }

// Resume ends a suspension. The key is the same as before.
func Resume() Change { return func(key *v1alpha1.APIKey) { key.Spec.Suspend = false } }

// Revoke ends the key for good. The APIKey and its history stay.
func Revoke() Change { return func(key *v1alpha1.APIKey) { key.Spec.Revoked = true } }

// Rename changes what people call the key. The key stays the same.
func Rename(displayName string) Change {
	return func(key *v1alpha1.APIKey) { key.Spec.DisplayName = displayName }
}

// Rotate asks for another key in the place of this one. The request is one of NewRotateRequest.
func Rotate(request string) Change {
	return func(key *v1alpha1.APIKey) {
		annotations := maps.Clone(key.Annotations)
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[v1alpha1.RotateAnnotation] = request
		key.Annotations = annotations
	}
}

// suffixLength is how many random characters keep two requests of the same second apart.
const suffixLength = 5

// NewRotateRequest returns a value of the rotate annotation that was never used before, and its name, for AwaitRotated.
// An empty overlap leaves spec.rotation.overlap in force; "0s" stops the old key at once.
func (s Service) NewRotateRequest(overlap v1alpha1.Duration) (value, name string, err error) {
	name = s.Clock.Now().UTC().Format("20060102T150405Z") + "-" + rand.String(suffixLength)
	value = name
	if overlap != "" {
		value += ",overlap=" + string(overlap)
	}
	if _, err := policy.ParseRotateRequest(value); err != nil || len(value) > v1alpha1.MaxRotationValueLength {
		return "", "", fmt.Errorf("overlap %q: must be a duration from 0s to 720h, such as 10m", overlap)
	}

	return value, name, nil
}

// Applied returns a copy of an APIKey with a change.
func Applied(key *v1alpha1.APIKey, change Change) *v1alpha1.APIKey {
	changed := key.DeepCopy()
	change(changed)

	return changed
}

// Apply sends a change of exactly this APIKey: an APIKey that was deleted and created again under the same name stays unchanged.
// Of the object only the changed fields are sent, so edits by others stay.
func (s Service) Apply(ctx context.Context, key *v1alpha1.APIKey, change Change, dryRun bool) (*v1alpha1.APIKey, error) {
	changed := Applied(key, change)
	patch, err := patchOf(key, changed)
	if err != nil {
		return nil, err
	}
	var options []client.PatchOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	options = append(options, client.FieldOwner(FieldManager))
	if err := s.Client.Patch(ctx, changed, client.RawPatch(types.MergePatchType, patch), options...); err != nil {
		if strings.Contains(err.Error(), "Precondition failed: UID") {
			return nil, fmt.Errorf("apikey %s: %w", NameOf(key), ErrReplaced)
		}

		return nil, WithMissingRule(err)
	}

	return changed, nil
}

// patchOf returns a merge patch with the uid as its precondition.
func patchOf(key, changed *v1alpha1.APIKey) ([]byte, error) {
	data, err := client.MergeFrom(key).Data(changed)
	if err != nil {
		return nil, err
	}
	patch := map[string]any{}
	if err := json.Unmarshal(data, &patch); err != nil {
		return nil, err
	}
	metadata, ok := patch["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		patch["metadata"] = metadata
	}
	metadata["uid"] = string(key.UID)

	return json.Marshal(patch)
}

// Delete deletes exactly this APIKey. Its Secret goes with it.
func (s Service) Delete(ctx context.Context, key *v1alpha1.APIKey, dryRun bool) error {
	options := []client.DeleteOption{
		client.Preconditions{UID: &key.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground),
	}
	if dryRun {
		options = append(options, client.DryRunAll)
	}

	return WithMissingRule(s.Client.Delete(ctx, key.DeepCopy(), options...))
}
