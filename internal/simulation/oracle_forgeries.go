// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// forgery is a record that a user has written into a status.
type forgery struct {
	apikey types.UID
	// writer is the process that had written the status last, which knows it without the record; nil if none had.
	writer *operator
}

// forged notes that a user writes the record of a key that no operator has drawn.
func (o *oracle) forged(apikey *v1alpha1.APIKey, digest keys.Digest) {
	o.forgeries[digest.String()] = forgery{apikey: apikey.UID, writer: o.writers[apikey.UID]}
}

// settledPlanted checks that the verifier refuses every key that users have put into Secrets and records.
func (o *oracle) settledPlanted(expected map[string]bool) {
	for number := range o.world.users.edits + 1 {
		digest := planted(number).Digest()
		if o.verdict(digest) == access.Allowed && !expected[digest.String()] && !o.believed(digest.String()) {
			o.broken("a planted key is refused", "the verifier accepts %s after everything has settled", digest.ID())
		}
	}
}

// believed reports whether an operator has to believe the forged record of a replaced key: the active key was claimed, so no Secret accounts
// for the records, and another process had written the status before.
func (o *oracle) believed(digest string) bool {
	f, found := o.forgeries[digest]
	if !found || f.writer == o.world.operators[0] {
		return false
	}
	for _, name := range names {
		k, err := o.world.server.APIKeys.Get(name)
		if err != nil || k.UID != f.apikey {
			continue
		}
		r := recordOf(k.Status.Keys, digest)

		return r != nil && r.State == v1alpha1.KeyRetiring && k.DeliversOnce() && k.Status.ClaimedAt != nil && o.secretOf(k) == nil
	}

	return false
}
