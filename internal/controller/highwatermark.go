// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strconv"
	"sync/atomic"
)

// HighWaterMark is the highest resourceVersion that each watch of Secrets has delivered. Resource versions of one resource are ordered
// numbers (KEP-5504), so a write below the mark of its watch has been delivered, or superseded.
type HighWaterMark struct {
	// all is the mark of the watch of all namespaces.
	all atomic.Uint64
	// byNamespace are the marks of the watches of single namespaces, of which one says nothing about another; empty: all is used.
	byNamespace map[string]*atomic.Uint64
}

// NewHighWaterMark returns the marks of the watches of these namespaces; none: of one watch of all namespaces.
func NewHighWaterMark(namespaces ...string) *HighWaterMark {
	m := &HighWaterMark{byNamespace: map[string]*atomic.Uint64{}}
	for _, namespace := range namespaces {
		m.byNamespace[namespace] = &atomic.Uint64{}
	}

	return m
}

// of returns the mark of the watch that delivers the Secrets of a namespace.
func (m *HighWaterMark) of(namespace string) *atomic.Uint64 {
	if mark, ok := m.byNamespace[namespace]; ok {
		return mark
	}

	return &m.all
}

// Observe raises the mark to a resourceVersion that the watch has delivered.
func (m *HighWaterMark) Observe(namespace, resourceVersion string) {
	version, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return // a version that is no number has no order
	}
	mark := m.of(namespace)
	for seen := mark.Load(); seen < version && !mark.CompareAndSwap(seen, version); {
		seen = mark.Load()
	}
}

// Reached reports whether the watch has delivered a resourceVersion. It returns true for a version that is no number.
func (m *HighWaterMark) Reached(namespace, resourceVersion string) bool {
	version, err := strconv.ParseUint(resourceVersion, 10, 64)

	return err != nil || m.of(namespace).Load() >= version
}
