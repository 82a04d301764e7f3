// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// The states of a waiter.
const (
	waiting int32 = iota
	answered
	abandoned
)

// waiter is a request that waits for an answer. It is either answered or abandoned, never both.
type waiter struct {
	state  atomic.Int32
	answer chan answer
	timer  clock.Timer
	// reserved is true if the replica's own bucket granted the request.
	reserved bool
}

// answer is the answer of the store, or the reason why there is none.
type answer struct {
	quota access.Quota
	err   error
}

// waiters is a pool of waiters and their timers.
type waiters struct {
	clock clock.Clock
	idle  sync.Pool
}

// get returns a waiter whose timeout begins now.
func (p *waiters) get(timeout time.Duration, reserved bool) *waiter {
	w, ok := p.idle.Get().(*waiter)
	if ok {
		w.timer.Reset(timeout)
	} else {
		w = &waiter{answer: make(chan answer, 1), timer: p.clock.NewTimer(timeout)}
	}
	w.state.Store(waiting)
	w.reserved = reserved

	return w
}

// put returns a waiter to the pool. No other reference to it may exist.
func (p *waiters) put(w *waiter) {
	w.timer.Stop()
	p.idle.Put(w)
}

// await returns the answer, or false if there was none in time.
func (p *waiters) await(w *waiter) (answer, bool) {
	select {
	case a := <-w.answer:
		p.put(w)

		return a, true
	case <-w.timer.C():
	}
	if w.state.CompareAndSwap(waiting, abandoned) {
		return answer{}, false // the queue still refers to it
	}
	a := <-w.answer // it is being answered just now
	p.put(w)

	return a, true
}

// beginAnswer reports whether the waiter still waits. If so, the caller must answer it.
func (w *waiter) beginAnswer() bool { return w.state.CompareAndSwap(waiting, answered) }
