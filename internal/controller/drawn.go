// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// draw notes a key that this operator has drawn and is about to announce.
func (l *Ledger) draw(apikey *v1alpha1.APIKey, digest string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := client.ObjectKeyFromObject(apikey)
	drawn := append(slices.Clip(l.drawn[name]), digest)
	l.drawn[name] = drawn[max(len(drawn)-v1alpha1.MaxKeys, 0):]
}

// undrawn returns the digests of the announced keys that this operator has not drawn.
func (l *Ledger) undrawn(apikey *v1alpha1.APIKey) []string {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	drawn := l.drawn[client.ObjectKeyFromObject(apikey)]
	var others []string
	for i := range apikey.Status.Keys {
		if r := &apikey.Status.Keys[i]; r.State == v1alpha1.KeyPending && !slices.Contains(drawn, r.Digest) {
			others = append(others, r.Digest)
		}
	}

	return others
}

// forgetDrawn frees the digests of an APIKey none of whose keys is announced.
func (l *Ledger) forgetDrawn(apikey *v1alpha1.APIKey) {
	announced := func(r v1alpha1.KeyRecord) bool { return r.State == v1alpha1.KeyPending }
	if l == nil || slices.ContainsFunc(apikey.Status.Keys, announced) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.drawn, client.ObjectKeyFromObject(apikey))
}
