// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"iter"
	"strings"
)

// separator stands between the items of a List.
const separator = ","

// List is strings with commas between them, as headers carry them. The zero value has none.
//
// It is one object, where a slice of strings is many that a garbage collection has to follow, and keys with equal lists can share it.
type List string

// ListOf is a list of items. One that is empty or has a comma, which admission lets nobody store, is left out: it must
// not be taken for others. A list of nothing else is not empty: what is allowed to none must not be allowed to all.
func ListOf[T ~string](items []T) List {
	size := len(items)
	for _, item := range items {
		size += len(item)
	}
	var list strings.Builder
	list.Grow(size)
	for _, item := range items {
		if item == "" || strings.Contains(string(item), separator) {
			continue
		}
		if list.Len() > 0 {
			list.WriteString(separator)
		}
		list.WriteString(string(item))
	}
	if list.Len() == 0 && len(items) > 0 {
		return separator
	}

	return List(list.String())
}

// Has says whether an item is in the list, letter by letter.
func (l List) Has(item string) bool {
	if item == "" {
		return false
	}
	for rest, more := string(l), true; more; {
		var next string
		if next, rest, more = strings.Cut(rest, separator); next == item {
			return true
		}
	}

	return false
}

// All are the items, in their order.
func (l List) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := string(l); rest != ""; {
			var item string
			item, rest, _ = strings.Cut(rest, separator)
			if item != "" && !yield(item) {
				return
			}
		}
	}
}
