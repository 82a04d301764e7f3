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

// DigestIndex finds the APIKeys that have a record of a key, by its digest. The handler of the watch keeps it up to date. It counts records
// as the verifier does: in every state, and also those of an APIKey that has ended.
//
// A field index of the cache would store each digest as two strings, each with a set of names. DigestIndex stores 64 bytes for a record.
// A nil *DigestIndex finds nothing.
type DigestIndex struct {
	mu sync.RWMutex
	// first is one APIKey with a record of a key. more are the others, which hardly any key has.
	first map[keys.Digest]types.NamespacedName
	more  map[keys.Digest][]types.NamespacedName
}

// NewDigestIndex returns an empty DigestIndex.
func NewDigestIndex() *DigestIndex {
	return &DigestIndex{first: map[keys.Digest]types.NamespacedName{}, more: map[keys.Digest][]types.NamespacedName{}}
}

// update replaces the records of an APIKey. The argument before is nil for a new APIKey, and after is nil for a deleted one. It returns the
// other APIKeys for which a dispute has begun or may have ended.
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

// digestsOf returns the digests of the records of an APIKey, each once. It skips text that is no digest, because no request can match it.
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
