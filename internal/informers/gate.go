// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
)

const (
	// turnInterval is the time between two attempts of a process while the API server does not answer. turnJitter makes it up to half
	// longer.
	turnInterval = 800 * time.Millisecond
	turnJitter   = 0.5
	// openSpread is the time over which the others spread their attempts once the API server answers.
	openSpread = 400 * time.Millisecond
)

// Gate paces attempts to reach an API server that does not answer.
type Gate struct {
	clock clock.WithTicker

	mu sync.Mutex
	// next is the end of the last turn that was given.
	next time.Time
	// opened is closed when the API server answers.
	opened chan struct{}
}

// NewGate returns a Gate.
func NewGate(c clock.WithTicker) *Gate { return &Gate{clock: c, opened: make(chan struct{})} }

// Await waits for the next turn, or until Open is called. It returns an error if the context ends first.
func (g *Gate) Await(ctx context.Context) error {
	turn, opened := g.take()
	select {
	case <-opened:
		return g.pause(ctx, g.spread(), nil)
	default:
	}
	if err := g.pause(ctx, turn, opened); err != nil {
		return err
	}
	select {
	case <-opened:
		return g.pause(ctx, g.spread(), nil)
	default:
		return nil
	}
}

// take returns the wait until the next free turn, and the channel that ends it earlier.
func (g *Gate) take() (time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if g.next.Before(now) {
		g.next = now
	}
	g.next = g.next.Add(wait.Jitter(turnInterval, turnJitter))

	return g.next.Sub(now), g.opened
}

// pause waits until a time has passed, the channel is closed, or the context ends, which is an error.
func (g *Gate) pause(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	timer := g.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-early:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open lets everything try that waits: the API server has answered.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = time.Time{}
	close(g.opened)
	g.opened = make(chan struct{})
}

// spread returns a short random wait, which keeps watches that broke at the same moment from being opened at the same moment.
func (g *Gate) spread() time.Duration { return wait.Jitter(openSpread/4, 3) }
