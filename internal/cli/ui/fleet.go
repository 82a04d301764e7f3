// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// How long the fleet waits before it reads again after an error. Each error in a row doubles the wait; a request shortens it.
const (
	minRetry = time.Second
	maxRetry = 30 * time.Second
)

// fleet holds a summary of every APIKey in view. One watch feeds it, whatever number of tabs is open.
type fleet struct {
	service   operations.Service
	namespace string
	retry     chan struct{} // asks for the next attempt now

	mu       sync.Mutex
	apikeys  map[types.NamespacedName]*summary
	listing  int
	state    fleetState
	settled  chan struct{} // closed when a watch has begun, or an attempt has failed
	watchers map[*watcher]struct{}
}

// fleetState says how far the summaries can be relied on.
type fleetState struct {
	// Loaded tells that a whole list was read, and Watching that changes arrive.
	Loaded, Watching bool
	// Err is why the last attempt failed; nil: it did not.
	Err error
	// Began is when the last list began.
	Began time.Time
	// At is when the summaries were last known to be right.
	At time.Time
}

func newFleet(service operations.Service, namespace string) *fleet {
	return &fleet{
		service: service, namespace: namespace, retry: make(chan struct{}, 1), apikeys: map[types.NamespacedName]*summary{},
		settled: make(chan struct{}), watchers: map[*watcher]struct{}{},
	}
}

// follow keeps the summaries up to date until the context ends.
func (f *fleet) follow(ctx context.Context) {
	for wait := minRetry; ctx.Err() == nil; wait = min(2*wait, maxRetry) {
		watched := f.attempt(ctx)
		if watched {
			wait = minRetry
		}
		timer := f.service.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C():
		case <-f.retry:
		}
		timer.Stop()
	}
}

// attempt lists and watches until that fails. It reports whether changes arrived in the meantime.
func (f *fleet) attempt(ctx context.Context) (watched bool) {
	err := f.service.Follow(ctx, f.namespace, f)
	f.mu.Lock()
	defer f.mu.Unlock()
	watched = f.state.Watching
	f.state.Watching, f.state.Err = false, err
	f.settle()
	f.announce(types.NamespacedName{})

	return watched
}

// settle wakes requests that wait for the end of a list. The caller holds the lock.
func (f *fleet) settle() {
	close(f.settled)
	f.settled = make(chan struct{})
}

// Listing implements operations.Follower.
func (f *fleet) Listing() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listing++
	f.state.Began = f.service.Clock.Now()
	f.state.Watching = false
}

// Set implements operations.Follower.
func (f *fleet) Set(key *v1alpha1.APIKey) {
	s := summarize(key)
	f.mu.Lock()
	defer f.mu.Unlock()
	s.listing = f.listing
	f.apikeys[s.name] = s
	f.state.At = f.service.Clock.Now()
	f.announce(s.name)
}

// Remove implements operations.Follower.
func (f *fleet) Remove(name types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.apikeys, name)
	f.announce(name)
}

// Listed implements operations.Follower.
func (f *fleet) Listed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.apikeys, func(_ types.NamespacedName, s *summary) bool { return s.listing != f.listing })
	f.state.Loaded, f.state.At = true, f.service.Clock.Now()
	f.announce(types.NamespacedName{})
}

// Watching implements operations.Follower.
func (f *fleet) Watching() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.Err != nil {
		f.announce(types.NamespacedName{}) // the error is over
	}
	f.state.Watching, f.state.Err = true, nil
	f.settle()
}

// all returns the summaries in no order, and their state. Where no watch runs and again is true, it reads again first, for as long as patience
// lasts. A tab that refreshes itself must not ask for that: what is read tells all tabs to refresh.
func (f *fleet) all(ctx context.Context, again bool, patience time.Duration) ([]*summary, fleetState) {
	f.mu.Lock()
	settled, watching := f.settled, f.state.Watching
	f.mu.Unlock()
	if !watching && again {
		f.again()
		timer := f.service.Clock.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-settled:
		case <-timer.C():
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	return slices.Collect(maps.Values(f.apikeys)), f.state
}

// again asks for the next attempt now.
func (f *fleet) again() {
	select {
	case f.retry <- struct{}{}:
	default: // it was asked for already
	}
}
