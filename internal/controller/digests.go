// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// DigestIndex finds the APIKeys that have a record of a key, by its digest. The watch of APIKeys keeps it up to date. It counts records
// as the verifier does: in whatever state, also those of an APIKey that has ended.
//
// It is not a field index of the cache, which would keep each digest twice as a string, each with a set of its own: about 600 bytes for a
// record, where this takes about 100. A nil *DigestIndex finds nothing.
type DigestIndex struct {
	mu sync.RWMutex
	// first is an APIKey that has a record of a key, more are the others, which nearly no key has.
	first map[keys.Digest]types.NamespacedName
	more  map[keys.Digest][]types.NamespacedName
}

// NewDigestIndex returns an empty DigestIndex.
func NewDigestIndex() *DigestIndex {
	return &DigestIndex{first: map[keys.Digest]types.NamespacedName{}, more: map[keys.Digest][]types.NamespacedName{}}
}

// update replaces the records of an APIKey by those that it has now. Either is nil where the APIKey was not, or is no longer. It returns
// the other APIKeys for which a dispute has begun or may have ended.
func (x *DigestIndex) update(before, after *v1alpha1.APIKey) []types.NamespacedName {
	if x == nil {
		return nil
	}
	had, has := digestsOf(before), digestsOf(after)
	if slices.Equal(had, has) {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var rivals []types.NamespacedName
	for _, digest := range had {
		if name := client.ObjectKeyFromObject(before); !slices.Contains(has, digest) {
			x.remove(digest, name)
			rivals = append(rivals, x.others(digest, name)...)
		}
	}
	for _, digest := range has {
		if name := client.ObjectKeyFromObject(after); !slices.Contains(had, digest) {
			rivals = append(rivals, x.others(digest, name)...)
			x.add(digest, name)
		}
	}

	return rivals
}

// disputes returns the other APIKeys that have a record of a key of this one.
func (x *DigestIndex) disputes(apikey *v1alpha1.APIKey) lifecycle.Disputes {
	if x == nil {
		return nil
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	var disputes lifecycle.Disputes
	for i := range apikey.Status.Keys {
		digest, ok := keys.ParseDigest(apikey.Status.Keys[i].Digest)
		if !ok {
			continue
		}
		if others := x.others(digest, client.ObjectKeyFromObject(apikey)); len(others) > 0 {
			if disputes == nil {
				disputes = lifecycle.Disputes{}
			}
			disputes[apikey.Status.Keys[i].Digest] = others
		}
	}

	return disputes
}

func (x *DigestIndex) add(digest keys.Digest, name types.NamespacedName) {
	if first, found := x.first[digest]; !found || first == name {
		x.first[digest] = name
	} else if !slices.Contains(x.more[digest], name) {
		x.more[digest] = append(x.more[digest], name)
	}
}

func (x *DigestIndex) remove(digest keys.Digest, name types.NamespacedName) {
	left := slices.DeleteFunc(x.more[digest], func(other types.NamespacedName) bool { return other == name })
	if x.first[digest] == name {
		delete(x.first, digest)
		if len(left) > 0 {
			x.first[digest], left = left[0], left[1:]
		}
	}
	if len(left) == 0 {
		delete(x.more, digest)
	} else {
		x.more[digest] = left
	}
}

// others returns the APIKeys that have a record of a key, without the one of a name.
func (x *DigestIndex) others(digest keys.Digest, name types.NamespacedName) []types.NamespacedName {
	var others []types.NamespacedName
	if first, found := x.first[digest]; found && first != name {
		others = append(others, first)
	}
	for _, other := range x.more[digest] {
		if other != name {
			others = append(others, other)
		}
	}

	return others
}

// digestsOf are the digests of the records of an APIKey, each once. One that cannot be read is of no key that a request could bring.
func digestsOf(apikey *v1alpha1.APIKey) []keys.Digest {
	if apikey == nil {
		return nil
	}
	var digests []keys.Digest
	for i := range apikey.Status.Keys {
		if digest, ok := keys.ParseDigest(apikey.Status.Keys[i].Digest); ok && !slices.Contains(digests, digest) {
			digests = append(digests, digest)
		}
	}

	return digests
}
