// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"bytes"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// The actions of users that the guardrails prevent, and restores of backups: they change Secrets of APIKeys and statuses.

func (u *users) deleteSecret(w *world, name string) {
	_ = w.server.Secrets.Delete(name, apimodel.Preconditions{})
}

// editSecret replaces the key by a text, or by a well-formed key that the operator has not drawn.
func (u *users) editSecret(w *world, name string) {
	u.edits++
	text := "edited " + strconv.Itoa(u.edits)
	if w.pick(2) == 1 {
		text = planted(u.edits).Reveal()
	}
	_ = w.server.ChangeSecret(name, func(s *corev1.Secret) {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[v1alpha1.SecretKeyDefault] = []byte(text)
	})
}

// planted returns a key that no operator has drawn.
func planted(number int) keys.Key {
	block := bytes.Repeat([]byte{byte(number % base62)}, 64)                  //nolint:gosec // G115: it is below 62
	key, _ := keys.Generator{Random: bytes.NewReader(block)}.New(environment) // the block is long enough

	return key
}

// earlierSecret returns an earlier version of a Secret, or nil.
func (w *world) earlierSecret(name string) *corev1.Secret {
	var versions []*corev1.Secret
	for _, c := range w.server.Secrets.Log() {
		if !c.Removed && c.After.Name == name {
			versions = append(versions, c.After)
		}
	}
	if len(versions) == 0 {
		return nil
	}

	return versions[w.pick(len(versions))]
}

func (u *users) restoreSecret(w *world, name string) {
	if old := w.earlierSecret(name); old != nil {
		w.restoreSecret(old)
	}
}

// restoreSecret writes an earlier version of a Secret over the present one, or creates it again.
func (w *world) restoreSecret(old *corev1.Secret) {
	restored := &corev1.Secret{Type: old.Type, Data: old.Data, ObjectMeta: metav1.ObjectMeta{
		Namespace: old.Namespace, Name: old.Name, Labels: old.Labels, Annotations: old.Annotations, OwnerReferences: old.OwnerReferences,
	}}
	if stored, err := w.server.Secrets.Get(old.Name); err == nil {
		restored.Finalizers = stored.Finalizers
		_, _ = w.server.Secrets.Update(restored) // a Secret of another type stays

		return
	}
	_, _ = w.server.Secrets.Create(restored)
}

// earlierStatus returns an APIKey as it was, with the same uid as the present one, or nil.
func (w *world) earlierStatus(name string) *v1alpha1.APIKey {
	present, err := w.server.APIKeys.Get(name)
	if err != nil {
		return nil
	}
	var versions []*v1alpha1.APIKey
	for _, c := range w.server.APIKeys.Log() {
		if !c.Removed && c.After.UID == present.UID {
			versions = append(versions, c.After)
		}
	}

	return versions[w.pick(len(versions))]
}

func (u *users) restoreStatus(w *world, name string) {
	if old := w.earlierStatus(name); old != nil {
		w.oracle.meddled(old.UID)
		_ = w.server.ChangeStatus(name, func(s *v1alpha1.APIKeyStatus) { *s = *old.Status.DeepCopy() })
	}
}

// restoreBoth restores a status, and the Secret of that time.
func (u *users) restoreBoth(w *world, name string) {
	old := w.earlierStatus(name)
	if old == nil || old.Status.SecretRef == nil {
		return
	}
	w.oracle.meddled(old.UID)
	_ = w.server.ChangeStatus(name, func(s *v1alpha1.APIKeyStatus) { *s = *old.Status.DeepCopy() })
	for _, c := range w.server.Secrets.Log() {
		if !c.Removed && c.After.ResourceVersion == old.Status.SecretRef.ResourceVersion {
			w.restoreSecret(c.After)
		}
	}
}

// foreignSecret creates a Secret of another program in the place of ours.
func (u *users) foreignSecret(w *world, name string) {
	u.edits++
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: apimodel.Namespace, Name: name},
		Data:       map[string][]byte{v1alpha1.SecretKeyDefault: []byte("foreign " + strconv.Itoa(u.edits))},
		Type:       corev1.SecretTypeOpaque,
	}
	switch w.pick(3) {
	case 1:
		secret.Type = v1alpha1.SecretType
	case 2:
		secret.Type = v1alpha1.SecretType
		secret.Labels = map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue}
	}
	if w.pick(2) == 1 {
		_ = w.server.Secrets.Delete(name, apimodel.Preconditions{})
	}
	_, _ = w.server.Secrets.Create(secret) // ours may exist
}

// disown removes the owner or the label of the operator from a Secret.
func (u *users) disown(w *world, name string) {
	what := w.pick(2)
	_ = w.server.ChangeSecret(name, func(s *corev1.Secret) {
		if what == 0 {
			delete(s.Labels, v1alpha1.SecretManagedByLabel)
		} else {
			s.OwnerReferences = nil
		}
	})
}

// forge writes the record of a key that the operator has not drawn into a status.
func (u *users) forge(w *world, name string) {
	u.edits++
	digest := planted(u.edits).Digest()
	state := [...]v1alpha1.KeyState{v1alpha1.KeyActive, v1alpha1.KeyPending, v1alpha1.KeyRetiring}[w.pick(3)]
	record := v1alpha1.KeyRecord{ID: digest.ID(), Digest: digest.String(), State: state, CreatedAt: *v1alpha1.StorableTime(w.now)}
	if state == v1alpha1.KeyRetiring {
		record.NotAfter = v1alpha1.StorableTime(w.now.Add(v1alpha1.MaxOverlap))
	}
	apikey, err := w.server.APIKeys.Get(name)
	if err != nil || len(apikey.Status.Keys) >= v1alpha1.MaxKeys {
		return
	}
	w.oracle.meddled(apikey.UID)
	w.oracle.forged(apikey, digest)
	_ = w.server.ChangeStatus(name, func(s *v1alpha1.APIKeyStatus) { s.Keys = append(s.Keys, record) })
}
