// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Entry is an APIKey with its Secret. Secret is nil where no Secret holds a key that works.
type Entry struct {
	APIKey APIKey
	Secret *Secret
}

// Name returns namespace and name.
func (e *Entry) Name() types.NamespacedName {
	return types.NamespacedName{Namespace: e.APIKey.Namespace, Name: e.APIKey.Name}
}

// object returns the APIKey as the cluster of the backup had it.
func (e *Entry) object() *v1alpha1.APIKey {
	k := &e.APIKey

	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: k.Namespace, Name: k.Name, CreationTimestamp: k.CreatedAt, Generation: k.Generation, Labels: k.Labels, Annotations: k.Annotations,
		},
		Spec: *k.Spec.DeepCopy(), Status: *k.Status.DeepCopy(),
	}
}

// ended reports whether the key is refused for good at a time. Policies count as far as the status recorded their effect.
func (e *Entry) ended(now time.Time) bool {
	_, over := lifecycle.Ended(lifecycle.Observed{APIKey: e.object(), PoliciesUnknown: true}, now)

	return over
}

// hasKey reports whether the operator has ever handed out, or announced, a key.
func (e *Entry) hasKey() bool {
	return e.APIKey.Status.LastRotation != nil || len(e.APIKey.Status.Keys) > 0
}

// claimed reports whether the active key was claimed, so that no Secret holds it.
func (e *Entry) claimed() bool {
	records := e.APIKey.Status.Keys

	return e.object().DeliversOnce() && e.APIKey.Status.ClaimedAt != nil && countIn(records, v1alpha1.KeyActive) == 1 &&
		countIn(records, v1alpha1.KeyPending) == 0
}

func countIn(records []v1alpha1.KeyRecord, state v1alpha1.KeyState) int {
	count := 0
	for i := range records {
		if records[i].State == state {
			count++
		}
	}

	return count
}

// needsSecret reports whether a Secret has to hold a key at a time.
func (e *Entry) needsSecret(now time.Time) bool {
	return len(e.APIKey.Status.Keys) > 0 && !e.claimed() && !e.ended(now)
}

// Check returns why the entry must not be restored. It accepts a record only if the key in the Secret has its digest, if the Secret accounts
// for it, or if the key was claimed.
func (e *Entry) Check(now time.Time) error {
	if err := errors.Join(e.checkIdentity(), e.checkRecords()); err != nil {
		return err
	}
	switch {
	case e.ended(now):
		return nil // it is restored as ended, without a Secret
	case !e.needsSecret(now) && e.Secret != nil:
		return errors.New("the backup has a Secret for it, and no record of a key that a Secret holds")
	case !e.needsSecret(now):
		return nil
	case e.Secret == nil:
		return errors.New("the backup has no Secret for it, which holds its key")
	default:
		return e.checkSecret()
	}
}

// checkIdentity returns what is wrong with the names and the creation.
func (e *Entry) checkIdentity() error {
	switch {
	case len(validation.IsDNS1123Label(e.APIKey.Namespace)) > 0:
		return fmt.Errorf("%q is no name of a namespace", e.APIKey.Namespace)
	case len(validation.IsDNS1123Subdomain(e.APIKey.Name)) > 0:
		return fmt.Errorf("%q is no name of an APIKey", e.APIKey.Name)
	case e.APIKey.CreatedAt.IsZero():
		return errors.New("createdAt is missing, from which its expiry counts")
	default:
		return nil
	}
}

// checkRecords returns what is wrong with the records by themselves.
func (e *Entry) checkRecords() error {
	records := e.APIKey.Status.Keys
	if len(records) > v1alpha1.MaxKeys {
		return fmt.Errorf("status.keys has %d records, and may have %d", len(records), v1alpha1.MaxKeys)
	}
	for i := range records {
		if digest, ok := keys.ParseDigest(records[i].Digest); !ok || digest.ID() != records[i].ID {
			return fmt.Errorf("record %d of status.keys has no digest, or an id of another digest", i+1)
		}
	}

	return nil
}

// checkSecret returns why the Secret and the records do not belong together.
func (e *Entry) checkSecret() error {
	apikey := e.object()
	dataKey, previousKey := apikey.SecretDataKey(), apikey.SecretPreviousDataKey()
	if err := e.Secret.checkData(dataKey, previousKey); err != nil {
		return err
	}
	held, previous := digestIn(e.Secret, dataKey), digestIn(e.Secret, previousKey)
	records := e.APIKey.Status.Keys
	isHeld := func(r v1alpha1.KeyRecord) bool { return r.Digest == held && r.State != v1alpha1.KeyRetiring }
	if held == "" || !slices.ContainsFunc(records, isHeld) {
		return errors.New("the key in its Secret has no record in status.keys that is Active or Pending")
	}
	for i := range records {
		if records[i].State == v1alpha1.KeyPending && records[i].Digest != held {
			return fmt.Errorf("key %s was announced in status.keys, and the Secret does not hold it", records[i].ID)
		}
	}
	isPrevious := func(r v1alpha1.KeyRecord) bool { return r.Digest == previous && r.Digest != held }
	if previous != "" && !slices.ContainsFunc(records, isPrevious) {
		return errors.New("the previous key in its Secret has no record in status.keys")
	}
	if ids := lifecycle.Unaccounted(lifecycle.Observed{APIKey: apikey, Secret: e.facts(held, previous), Unvouched: true}); len(ids) > 0 {
		return fmt.Errorf("its Secret does not account for the keys %s of status.keys", strings.Join(ids, ", "))
	}

	return nil
}

// checkData returns an error unless the Secret holds well-formed keys under these names alone.
func (s *Secret) checkData(dataKey, previousKey string) error {
	for name, value := range s.Data {
		if name != dataKey && name != previousKey {
			return fmt.Errorf("its Secret has a dataKey %.80q, which holds no key of it", name)
		}
		if err := keys.Check(string(value)); err != nil {
			return fmt.Errorf("its Secret, dataKey %q: %w", name, err)
		}
	}

	return nil
}

// facts returns what a decision may know of the Secret.
func (e *Entry) facts(held, previous string) lifecycle.Secret {
	return lifecycle.Secret{
		State: lifecycle.SecretOwned, OurType: true, Digest: held, PreviousDigest: previous,
		Account: lifecycle.ParseAccount(e.Secret.Annotations[v1alpha1.SecretValidKeysAnnotation]),
	}
}

// digestIn returns the digest of a value of a Secret, or "" if there is none.
func digestIn(secret *Secret, dataKey string) string {
	value, ok := secret.Data[dataKey]
	if !ok {
		return ""
	}

	return keys.DigestOf(string(value)).String()
}

// spec returns the spec to restore. An end that does not follow from spec.expiresAt alone is put there: a new object is younger, so
// spec.validFor, or the maximum of a policy, would end the key later than before.
func (e *Entry) spec() v1alpha1.APIKeySpec {
	spec := *e.APIKey.Spec.DeepCopy()
	if end := policy.EnforcedExpiry(e.object()); end != nil && (spec.ExpiresAt == nil || end.Unix() < spec.ExpiresAt.Unix()) {
		spec.ExpiresAt, spec.ValidFor = end, ""
	}

	return spec
}
