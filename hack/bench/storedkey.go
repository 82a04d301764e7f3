// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// storedKey is an APIKey as the API server stores one: the mould for others, which then are what they would be
// if the operator had minted them one by one.
type storedKey struct {
	text string
	key  v1alpha1.APIKey
}

// parseStored reads what the API server has stored for an APIKey with one key.
func parseStored(data []byte) (*storedKey, error) {
	s := &storedKey{text: string(data)}
	if err := json.Unmarshal(data, &s.key); err != nil {
		return nil, fmt.Errorf("read a stored APIKey: %w", err)
	}
	if len(s.key.Status.Keys) != 1 || s.key.Status.SecretRef == nil || s.key.Spec.DisplayName == "" {
		return nil, errors.New("a stored APIKey cannot be a mould without a display name, one key and a Secret")
	}

	return s, nil
}

// fill is the same APIKey but for what tells one from another. That stands in more than one place: the id of the key is
// in managedFields too.
func (s *storedKey) fill(key *v1alpha1.APIKey, uid, secretUID types.UID, digest keys.Digest) []byte {
	record, secret := &s.key.Status.Keys[0], s.key.Status.SecretRef

	return []byte(strings.NewReplacer(
		s.key.Spec.DisplayName, key.Spec.DisplayName,
		s.key.Name, key.Name, // the Secret has the same one
		string(s.key.UID), string(uid),
		string(secret.UID), string(secretUID),
		record.Digest, digest.String(), // before the id, which it begins with
		record.ID, digest.ID(),
	).Replace(s.text))
}
