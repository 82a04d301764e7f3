// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestFilledKeyDiffersOnlyInWhatTellsOneFromAnother(t *testing.T) {
	data, err := os.ReadFile("testdata/apikey.stored.json") // from the etcd of a kube-apiserver
	if err != nil {
		t.Fatal(err)
	}
	mould, err := parseStored(data)
	if err != nil {
		t.Fatal(err)
	}
	other := (&population{namespace: "integrations"}).newKey(99_999)
	digest := keys.DigestOf("some text")
	filled := mould.fill(other, "uid-of-the-key", "uid-of-the-secret", digest)

	var got v1alpha1.APIKey
	if err := json.Unmarshal(filled, &got); err != nil {
		t.Fatal(err)
	}
	want := mould.key.DeepCopy()
	want.Name, want.UID = other.Name, "uid-of-the-key"
	want.Spec.DisplayName = other.Spec.DisplayName
	want.Status.Keys[0].Digest, want.Status.Keys[0].ID = digest.String(), digest.ID()
	want.Status.SecretRef.Name, want.Status.SecretRef.UID = other.Name, "uid-of-the-secret"
	statusFields := want.ManagedFields[1].FieldsV1
	statusFields.SetRawString(strings.Replace(statusFields.GetRawString(), mould.key.Status.Keys[0].ID, digest.ID(), 1))
	if diff := cmp.Diff(*want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if id := mould.key.Status.Keys[0].ID; strings.Contains(string(filled), id) {
		t.Errorf("the id of the mould's key, %s, is still there:\n%s", id, filled)
	}
}

func TestParseStoredRefuses(t *testing.T) {
	const named = `"metadata":{"name":"a"},"spec":{"displayName":"A"}`
	for name, text := range map[string]string{
		"what is no JSON":                 "k8s\x00",
		"one that was not minted yet":     "{" + named + `,"status":{"phase":"Pending"}}`,
		"one whose key is nowhere yet":    "{" + named + `,"status":{"keys":[{"id":"x"}]}}`,
		"one in the middle of a rotation": "{" + named + `,"status":{"keys":[{"id":"x"},{"id":"y"}],"secretRef":{"name":"a"}}}`,
		// Replacing an empty text would put the new one between all characters.
		"one without a display name": `{"metadata":{"name":"a"},"status":{"keys":[{"id":"x"}],"secretRef":{"name":"a"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStored([]byte(text)); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}
