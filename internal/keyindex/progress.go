// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"sync"
	"sync/atomic"
	"time"
)

// progress is the freshness of one resource, for use by several goroutines.
type progress struct {
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

func newProgress(maxStaleness time.Duration) *progress {
	return &progress{maxStaleness: maxStaleness, confirmed: make(chan struct{})}
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
