// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"iter"
	"strings"
)

// separator separates the items of a List.
const separator = ","

// List is a list of strings, joined by commas as headers carry them. The zero value is empty.
//
// It is one object, where a slice of strings is many that a garbage collection has to follow, and APIKeys with equal lists share it.
type List string

// ListOf returns a list of items. It drops items that are empty or contain a comma, which admission refuses: such an item must not
// be read as others. A list of which every item was dropped is not empty, because an empty list can mean "all".
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

// Has reports whether an item is in the list. Case counts.
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

// All returns the items in their order.
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
