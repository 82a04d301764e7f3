// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// Sorted iterates over a map in the order of its keys. Specs are generated in this order: Ginkgo shuffles them by a seed, which
// reproduces an order only if they are generated in the same order every time.
func Sorted[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
