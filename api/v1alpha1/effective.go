// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// SecretName is the name of the Secret that holds the key: spec.secret.name, or else the name of the APIKey.
func (k *APIKey) SecretName() string {
	if k.Spec.Secret != nil && k.Spec.Secret.Name != "" {
		return k.Spec.Secret.Name
	}

	return k.Name
}

// SecretDataKey is the data key that holds the key in the Secret: spec.secret.key, or else SecretKeyDefault.
func (k *APIKey) SecretDataKey() string {
	if k.Spec.Secret != nil && k.Spec.Secret.Key != "" {
		return k.Spec.Secret.Key
	}

	return SecretKeyDefault
}

// SecretPreviousDataKey is the data key that holds the previous key in the Secret while an overlap runs.
func (k *APIKey) SecretPreviousDataKey() string { return SecretPreviousKeyPrefix + k.SecretDataKey() }
