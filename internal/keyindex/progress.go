// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// progress is the freshness of one watch, for use by several goroutines.
type progress struct {
	resource string
	// namespace is the namespace of the watch; empty: all.
	namespace string

	mu    sync.Mutex
	fresh freshness
	// maxStaleness is that of Options.
	maxStaleness time.Duration
	// wasUp is what changed has last returned.
	wasUp bool
	// completeAsOf is a copy for requests, which must not wait; nil: unknown.
	completeAsOf atomic.Pointer[time.Time]
	// confirmed is closed once the resource has been complete.
	confirmed chan struct{}
}

func newProgress(resource, namespace string, maxStaleness time.Duration) *progress {
	return &progress{resource: resource, namespace: namespace, maxStaleness: maxStaleness, confirmed: make(chan struct{})}
}

// newProgresses returns the progress of each watch of an index: those of APIKeys, and that of APIKeyRoles, which have no namespace.
func newProgresses(opts Options) []*progress {
	namespaces := opts.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var all []*progress
	for _, namespace := range namespaces {
		all = append(all, newProgress(apiKeysResource, namespace, opts.MaxStaleness))
	}

	return append(all, newProgress(rolesResource, metav1.NamespaceAll, opts.MaxStaleness))
}

// update changes the freshness.
func (p *progress) update(change func(*freshness)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.fresh.completeAsOf
	change(&p.fresh)
	now := p.fresh.completeAsOf
	if now.Equal(before) {
		return
	}
	if p.completeAsOf.Swap(&now) == nil {
		close(p.confirmed)
	}
}

// age returns how old the knowledge is. It takes no lock.
func (p *progress) age(now time.Time) time.Duration {
	if completeAsOf := p.completeAsOf.Load(); completeAsOf != nil {
		return age(*completeAsOf, now)
	}

	return unknownAge
}

// up reports whether the resource is being followed.
func (p *progress) up(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.fresh.up(now, p.maxStaleness)
}

// changed reports whether the resource is being followed, and whether that has changed since the last call.
func (p *progress) changed(now time.Time) (up, changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	up = p.fresh.up(now, p.maxStaleness)
	changed, p.wasUp = up != p.wasUp, up

	return up, changed
}

// rewound reports whether everything has to be listed again.
func (p *progress) rewound() bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.fresh.rewound
}
