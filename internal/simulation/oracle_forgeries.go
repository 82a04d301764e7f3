// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// forgery is a record that a user has written into a status.
type forgery struct {
	apikey types.UID
	// writer is the process that had written the status last, which knows it without the record; nil if none had, or its answer was lost.
	writer *operator
	// witnessed reports that a Secret was there, which accounts for the records, and that no user has changed or deleted it.
	witnessed bool
	// believed reports that another process has written the status with the record, when nothing told it from ours.
	believed bool
}

// answered notes that an operator gets the answer to a status write.
func (o *oracle) answered(operator *operator, written *v1alpha1.APIKey) {
	if o.unanswered[written.UID] == written.ResourceVersion {
		o.writers[written.UID] = operator
	}
}

// forged notes that a user writes the record of a key that no operator has drawn.
func (o *oracle) forged(apikey *v1alpha1.APIKey, digest keys.Digest) {
	o.forgeries[digest.String()] = &forgery{
		apikey: apikey.UID, writer: o.writers[apikey.UID], witnessed: o.secretOf(apikey) != nil,
	}
}

// unwitnessed notes that a user changes or deletes a Secret, which then no longer accounts for records.
func (o *oracle) unwitnessed(secret *corev1.Secret) {
	for _, f := range o.forgeries {
		if owner := metav1.GetControllerOf(secret); owner != nil && owner.UID == f.apikey {
			f.witnessed = false
		}
	}
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

// believe notes the forged records that an operator keeps in a status that it writes, because it has to believe them. The Secret of the next
// delivery accounts for them from then on.
func (o *oracle) believe(before, after *v1alpha1.APIKey) {
	for i := range after.Status.Keys {
		r := &after.Status.Keys[i]
		if f := o.forgeries[r.Digest]; f != nil && !f.witnessed && f.writer != o.world.acting.operator && o.unaccountable(before, r.Digest) {
			f.believed = true
		}
	}
}

// believed reports whether an operator has to believe a forged record.
func (o *oracle) believed(digest string) bool {
	f := o.forgeries[digest]
	if f == nil || f.witnessed || f.believed || f.writer == o.world.operators[0] {
		return f != nil && f.believed
	}
	for _, name := range names {
		if k, err := o.world.server.APIKeys.Get(name); err == nil && k.UID == f.apikey {
			return o.unaccountable(k, digest)
		}
	}

	return false
}

// unaccountable reports whether a record is of a replaced key and the active key was claimed, so that no Secret tells whether it is ours.
func (o *oracle) unaccountable(k *v1alpha1.APIKey, digest string) bool {
	r := recordOf(k.Status.Keys, digest)

	return r != nil && r.State == v1alpha1.KeyRetiring && k.DeliversOnce() && k.Status.ClaimedAt != nil && o.secretOf(k) == nil
}
