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

// waiter is a request that waits for an answer. Either it is answered or it is abandoned.
type waiter struct {
	state  atomic.Int32
	answer chan answer
	timer  clock.Timer
	// reserved says that the replica's own bucket has granted the request.
	reserved bool
}

// answer is the store's, or why there is none.
type answer struct {
	quota access.Quota
	err   error
}

// waiters are kept for later requests, with their timers.
type waiters struct {
	clock clock.Clock
	idle  sync.Pool
}

// get returns a waiter whose time begins now.
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

// put takes a waiter back that nothing refers to any more.
func (p *waiters) put(w *waiter) {
	w.timer.Stop()
	p.idle.Put(w)
}

// await returns the answer; false: there was none in time.
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

// claim says whether the waiter still waits. It must be answered then.
func (w *waiter) claim() bool { return w.state.CompareAndSwap(waiting, answered) }
