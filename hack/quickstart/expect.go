// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// expectation returns an error that says how an observation differs from the wanted state.
type expectation func(observation) error

// meets returns the first expectation that an observation does not meet.
func meets(o observation, all []expectation) error {
	for _, expect := range all {
		if err := expect(o); err != nil {
			return err
		}
	}

	return nil
}

func reconciled(o observation) error {
	switch {
	case o.apikey == nil:
		return errors.New("there is no such APIKey")
	case o.apikey.Status.ObservedGeneration != o.apikey.Generation:
		return fmt.Errorf("status.observedGeneration is %d, want %d", o.apikey.Status.ObservedGeneration, o.apikey.Generation)
	default:
		return nil
	}
}

func phaseIs(want v1alpha1.Phase) expectation {
	return func(o observation) error {
		if o.apikey.Status.Phase != want {
			return fmt.Errorf("status.phase is %q, want %s", o.apikey.Status.Phase, want)
		}

		return nil
	}
}

func conditionIs(kind string, want metav1.ConditionStatus) expectation {
	return func(o observation) error {
		found := meta.FindStatusCondition(o.apikey.Status.Conditions, kind)
		switch {
		case found == nil:
			return fmt.Errorf("there is no condition %s, want %s", kind, want)
		case found.Status != want:
			return fmt.Errorf("condition %s is %s (%s: %s), want %s", kind, found.Status, found.Reason, found.Message, want)
		default:
			return nil
		}
	}
}

// looksLikeKey checks the shape of the key in the Secret.
func looksLikeKey(o observation) error {
	if !regexp.MustCompile(`^ak_(prod|stg|dev)_[0-9A-Za-z]{49}$`).MatchString(o.key()) {
		return errors.New("the Secret holds no API key")
	}

	return nil
}

// onlyKeyIsInSecret checks that there is one record in status.keys, and that it is the digest of the key in the Secret.
func onlyKeyIsInSecret(o observation) error {
	keys := o.apikey.Status.Keys
	if len(keys) == 1 && keys[0].State == v1alpha1.KeyActive && keys[0].Digest == o.digest() {
		return nil
	}

	return fmt.Errorf("want status.keys to be one Active record with digest %s, found %+v", o.digest(), keys)
}

// noPlaintext checks that the key in the Secret stands nowhere in the APIKey.
func noPlaintext(o observation) error {
	encoded, err := json.Marshal(o.apikey)
	if err != nil {
		return err
	}
	if bytes.Contains(encoded, []byte(o.key())) {
		return errors.New("the key stands in the APIKey, where it must never be")
	}

	return nil
}

// replaced checks that neither the Secret nor status.keys know a key any more.
func replaced(old observation) expectation {
	return func(o observation) error {
		known := func(r v1alpha1.KeyRecord) bool { return r.Digest == old.digest() }
		if o.key() == old.key() || slices.ContainsFunc(o.apikey.Status.Keys, known) {
			return errors.New("the old key is still there")
		}

		return nil
	}
}

// retiring checks that another key has taken the place of an old one, which is still accepted for a while.
func retiring(old observation) expectation {
	return func(o observation) error {
		stillKnown := func(r v1alpha1.KeyRecord) bool {
			return r.Digest == old.digest() && r.State == v1alpha1.KeyRetiring && r.NotAfter != nil
		}
		switch {
		case o.key() == old.key():
			return errors.New("the Secret still holds the old key")
		case !slices.ContainsFunc(o.apikey.Status.Keys, stillKnown):
			return errors.New("status.keys does not have the old key as Retiring, with the time until which it is accepted")
		default:
			return nil
		}
	}
}

// used checks that the APIKey says when its key was last used.
func used(o observation) error {
	if o.apikey.Status.LastUsedAt == nil {
		return errors.New("status.lastUsedAt is not set, but the key was used")
	}

	return nil
}

func secretGone(o observation) error {
	if o.secret != nil {
		return fmt.Errorf("the Secret %s is still there", o.secret.Name)
	}

	return nil
}

// secretIs checks that the Secret has not been written since.
func secretIs(want *corev1.Secret) expectation {
	return func(o observation) error {
		if o.secret == nil || o.secret.UID != want.UID || o.secret.ResourceVersion != want.ResourceVersion {
			return fmt.Errorf("the Secret %s has been written or deleted", want.Name)
		}

		return nil
	}
}

// apikeyIs checks that the APIKey has not been written since.
func apikeyIs(want *v1alpha1.APIKey) expectation {
	return func(o observation) error {
		if o.apikey == nil || o.apikey.UID != want.UID || o.apikey.ResourceVersion != want.ResourceVersion {
			return fmt.Errorf("the APIKey %s has been written or deleted", want.Name)
		}

		return nil
	}
}

func apikeyGone(o observation) error {
	if o.apikey != nil {
		return fmt.Errorf("the APIKey %s is still there", o.apikey.Name)
	}

	return nil
}

// handedOut checks that there has been a key, which the status remembers when there no longer is.
func handedOut(o observation) error {
	if o.apikey.Status.LastRotation == nil {
		return errors.New("status.lastRotation is not set, so no key has been handed out")
	}

	return nil
}
