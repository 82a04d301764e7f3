// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Holder is an APIKey that has a record of a key.
type Holder struct {
	APIKey v1alpha1.APIKey
	// Live tells that verifiers accept the key now, as far as the APIKey alone says.
	Live bool
}

// Holders returns the APIKeys of a namespace, or of all for an empty one, that have a record of one of these keys.
func (s Service) Holders(ctx context.Context, namespace string, digests map[keys.Digest]bool) (map[keys.Digest][]Holder, error) {
	holders := map[keys.Digest][]Holder{}
	_, err := s.List(ctx, Filter{Namespace: namespace}, func(page []v1alpha1.APIKey) error {
		for i := range page {
			for _, record := range page[i].Status.Keys {
				digest, ok := keys.ParseDigest(record.Digest)
				if !ok || !digests[digest] {
					continue
				}
				holders[digest] = append(holders[digest], Holder{APIKey: page[i], Live: s.live(&page[i], record)})
			}
		}

		return nil
	})

	return holders, err
}

// live reports whether a record is one of a key that works.
func (s Service) live(apikey *v1alpha1.APIKey, record v1alpha1.KeyRecord) bool {
	now := s.Clock.Now()
	view := ViewOf(apikey, now)
	replaced := record.State == v1alpha1.KeyRetiring && (record.NotAfter == nil || !now.Before(record.NotAfter.Time))

	return !view.Ended() && view.Status != v1alpha1.PhaseSuspended && !replaced
}
