// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// holder returns an APIKey with two records of each text, and a record whose digest cannot be parsed.
func holder(name string, texts ...string) *v1alpha1.APIKey {
	apikey := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "storefront", Name: name}}
	for _, text := range append(texts, texts...) { // each twice: an APIKey has no dispute with itself
		apikey.Status.Keys = append(apikey.Status.Keys, v1alpha1.KeyRecord{Digest: keys.DigestOf(text).String()})
	}
	apikey.Status.Keys = append(apikey.Status.Keys, v1alpha1.KeyRecord{Digest: "none"})

	return apikey
}

// TestTheDigestIndexAgreesWithASearch changes APIKeys at random and compares what the index finds with a search through all.
func TestTheDigestIndexAgreesWithASearch(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test that can be repeated needs a seed
		index, all := NewDigestIndex(), map[string]*v1alpha1.APIKey{}
		for range 200 {
			name := fmt.Sprint("apikey-", random.IntN(5))
			before, after := all[name], (*v1alpha1.APIKey)(nil)
			if random.IntN(4) > 0 {
				after = holder(name)
				for text := range 4 {
					if random.IntN(3) == 0 {
						after.Status.Keys = append(after.Status.Keys, holder("", fmt.Sprint(text)).Status.Keys...)
					}
				}
			}
			queued := index.update(before, after)
			changed := searchFor(all, before)
			if delete(all, name); after != nil {
				all[name] = after
			}
			for digest, others := range searchFor(all, after) {
				changed[digest] = append(changed[digest], others...)
			}
			for digest, others := range changed {
				if has(before, digest) == has(after, digest) {
					continue
				}
				for _, other := range others {
					if !slices.Contains(queued, other) {
						t.Fatalf("seed %d: a change of %s from %v to %v does not queue %s", seed, name, before, after, other)
					}
				}
			}
			for _, apikey := range all {
				got := map[string][]types.NamespacedName(index.disputes(apikey))
				for _, names := range got {
					slices.SortFunc(names, func(a, b types.NamespacedName) int { return strings.Compare(a.Name, b.Name) })
				}
				if diff := cmp.Diff(searchFor(all, apikey), got, equateEmpty()); diff != "" {
					t.Fatalf("seed %d: the disputes of %s (-search +index):\n%s", seed, apikey.Name, diff)
				}
			}
		}
		for name, apikey := range all {
			index.update(apikey, nil)
			delete(all, name)
		}
		if len(index.first)+len(index.more) > 0 {
			t.Fatalf("seed %d: the index keeps %d and %d digests of APIKeys that are gone", seed, len(index.first), len(index.more))
		}
	}
}

func equateEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b map[string][]types.NamespacedName) bool { return len(a)+len(b) == 0 }, cmp.Ignore())
}

func has(apikey *v1alpha1.APIKey, digest string) bool {
	return apikey != nil && slices.ContainsFunc(apikey.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.Digest == digest })
}

// searchFor returns the other APIKeys that have a record of a key of one, by digest and in order.
func searchFor(all map[string]*v1alpha1.APIKey, apikey *v1alpha1.APIKey) map[string][]types.NamespacedName {
	found := map[string][]types.NamespacedName{}
	if apikey == nil {
		return found
	}
	for _, digest := range digestsOf(apikey) {
		for i := range 5 {
			other := all[fmt.Sprint("apikey-", i)]
			if other != nil && other.Name != apikey.Name && has(other, digest.String()) {
				found[digest.String()] = append(found[digest.String()], client.ObjectKeyFromObject(other))
			}
		}
	}

	return found
}
