// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// start is when the APIKeys of the tests were created, in the past of every clock.
func start() metav1.Time { return metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second)) }

func newKey(t testing.TB) keys.Key {
	t.Helper()
	key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		t.Fatal(err)
	}

	return key
}

func record(key keys.Key, state v1alpha1.KeyState, notAfter *metav1.Time) v1alpha1.KeyRecord {
	digest := key.Digest()

	return v1alpha1.KeyRecord{ID: digest.ID(), Digest: digest.String(), State: state, CreatedAt: start(), NotAfter: notAfter}
}

func minted(condition string) metav1.Condition {
	return metav1.Condition{
		Type: condition, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMinted, Message: "The Secret holds the active key.",
		LastTransitionTime: start(), ObservedGeneration: 1,
	}
}

// activeEntry returns an APIKey with an active key.
func activeEntry(t testing.TB, name string) *backup.Entry {
	t.Helper()
	key := newKey(t)
	records := []v1alpha1.KeyRecord{record(key, v1alpha1.KeyActive, nil)}

	return &backup.Entry{
		APIKey: backup.APIKey{
			Namespace: "default", Name: name, CreatedAt: start(), Generation: 1, Labels: map[string]string{"team": "storefront"},
			Spec: v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Permissions: []v1alpha1.Permission{"customers:read"}},
			Status: v1alpha1.APIKeyStatus{
				ObservedGeneration: 1, Phase: v1alpha1.PhaseActive, Keys: records,
				LastRotation: &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: start()},
				Conditions:   []metav1.Condition{minted(v1alpha1.ConditionReady), minted(v1alpha1.ConditionActive)},
			},
		},
		Secret: &backup.Secret{
			Labels:      map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue},
			Annotations: map[string]string{v1alpha1.SecretValidKeysAnnotation: lifecycle.FormatAccount(records)},
			Data:        map[string][]byte{v1alpha1.SecretKeyDefault: []byte(key.Reveal())},
		},
	}
}

// overlapping returns an APIKey whose previous key works for another hour.
func overlapping(t testing.TB, name string) *backup.Entry {
	t.Helper()
	e, old := activeEntry(t, name), newKey(t)
	until := metav1.NewTime(time.Now().Add(time.Hour).Truncate(time.Second))
	e.APIKey.Status.Keys = append([]v1alpha1.KeyRecord{record(old, v1alpha1.KeyRetiring, &until)}, e.APIKey.Status.Keys...)
	e.Secret.Data["previous-"+v1alpha1.SecretKeyDefault] = []byte(old.Reveal())
	account(e)

	return e
}

// account makes the Secret account for all records.
func account(e *backup.Entry) {
	e.Secret.Annotations[v1alpha1.SecretValidKeysAnnotation] = lifecycle.FormatAccount(e.APIKey.Status.Keys)
}

// claimedEntry returns an APIKey whose key was claimed.
func claimedEntry(t testing.TB, name string) *backup.Entry {
	t.Helper()
	e := activeEntry(t, name)
	e.APIKey.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce}
	e.APIKey.Status.ClaimedAt = new(start())
	e.Secret = nil

	return e
}

// endedEntry returns an APIKey that is revoked.
func endedEntry(t testing.TB, name string) *backup.Entry {
	t.Helper()
	e := activeEntry(t, name)
	e.APIKey.Spec.Revoked, e.APIKey.Status.Phase = true, v1alpha1.PhaseRevoked
	e.APIKey.Status.Keys[0] = record(newKey(t), v1alpha1.KeyRetiring, new(start()))
	e.Secret = nil

	return e
}

// pendingEntry returns an APIKey that never had a key.
func pendingEntry(t testing.TB, name string) *backup.Entry {
	t.Helper()
	e := activeEntry(t, name)
	e.APIKey.Status = v1alpha1.APIKeyStatus{ObservedGeneration: 1, Phase: v1alpha1.PhasePending}
	e.Secret = nil

	return e
}

// validForEntry returns an APIKey with a lifetime that counts from its creation.
func validForEntry(t testing.TB, name string) *backup.Entry {
	t.Helper()
	e := activeEntry(t, name)
	e.APIKey.Spec.ValidFor = "8760h"
	e.APIKey.Status.ExpiresAt = &metav1.Time{Time: e.APIKey.CreatedAt.Add(8760 * time.Hour)}

	return e
}

// written returns a backup of entries.
func written(t testing.TB, entries ...*backup.Entry) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := backup.NewWriter(&file, backup.Header{CreatedAt: start(), Writer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.Entry(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}

	return file.Bytes()
}

func read(t testing.TB, file []byte) *backup.Archive {
	t.Helper()
	archive, err := backup.Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}

	return archive
}

// clone returns an entry as it is after it was written and read.
func clone(t testing.TB, e *backup.Entry) *backup.Entry {
	t.Helper()
	text, err := json.Marshal(e.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	c := &backup.Entry{}
	if err := json.Unmarshal(text, &c.APIKey); err != nil {
		t.Fatal(err)
	}
	if e.Secret == nil {
		return c
	}
	if text, err = json.Marshal(e.Secret); err != nil {
		t.Fatal(err)
	}
	c.Secret = &backup.Secret{}
	if err := json.Unmarshal(text, c.Secret); err != nil {
		t.Fatal(err)
	}

	return c
}
