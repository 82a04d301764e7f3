// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// The budgets, as doc.go explains them.
const (
	// verifierBudget is the healthy time of a verifier after which it has to know a fact.
	verifierBudget = 15 * time.Second
	// leaderBudget is the healthy time of a leader after which a request has to be carried out, and createBudget that of a new APIKey,
	// which can wait until garbage collection has deleted the Secret of its predecessor.
	leaderBudget = 75 * time.Second
	createBudget = 150 * time.Second
	// takeover is after how long of its readiness an operator leads if the other one does not: 6.2 s with the default times of the lease.
	takeover = 8 * time.Second
	// leaseTerm is how long a leader may be stopped without losing the lease for certain.
	leaseTerm = 2 * time.Second
)

// health knows what is healthy, and since when.
type health struct {
	down      map[schedule.Target]bool // of the control plane
	processes map[schedule.Target]*processHealth
	verifiers map[schedule.Target]*timeline
	leader    timeline
}

// processHealth is the state of an operator or a verifier.
type processHealth struct {
	ready, stopped, cut bool
	stoppedAt           time.Time
	upSince             time.Time // when it was last ready and connected
}

func (p *processHealth) up() bool { return p.ready && !p.cut }

func newHealth() *health {
	h := &health{down: map[schedule.Target]bool{}, processes: map[schedule.Target]*processHealth{}, verifiers: map[schedule.Target]*timeline{}}
	for _, target := range append(schedule.Operators(), schedule.Verifiers()...) {
		h.processes[target] = &processHealth{}
	}
	for _, target := range schedule.Verifiers() {
		h.verifiers[target] = &timeline{}
	}

	return h
}

// controlPlane notes that API server or etcd fail, or answer again.
func (h *health) controlPlane(now time.Time, target schedule.Target, down bool) {
	h.advance(now)
	h.down[target] = down
	h.update(now, !down, schedule.Verifiers()...)
}

// connection notes that the connection of a process to the API server fails or passes again.
func (h *health) connection(now time.Time, target schedule.Target, cut bool) {
	h.change(now, target, func(p *processHealth) { p.cut = cut })
	if _, isVerifier := h.verifiers[target]; isVerifier && !cut {
		h.update(now, true, target)
	}
}

// ready notes that a process answers, or has ended.
func (h *health) ready(now time.Time, target schedule.Target, ready bool) {
	h.change(now, target, func(p *processHealth) {
		p.ready = ready
		if !ready {
			p.stopped = false
		}
	})
}

// stopped notes that a process stands still, or goes on.
func (h *health) stopped(now time.Time, target schedule.Target, stopped bool) {
	h.change(now, target, func(p *processHealth) {
		if p.stopped && !stopped && now.Sub(p.stoppedAt) > leaseTerm {
			p.upSince = now
		}
		p.stopped, p.stoppedAt = stopped, now
	})
}

// starved notes that the machine did not run the soak for a while: the programs neither.
func (h *health) starved(now time.Time) {
	h.advance(now)
	for _, p := range h.processes {
		p.upSince = now
	}
	h.update(now, true, schedule.Verifiers()...)
}

func (h *health) change(now time.Time, target schedule.Target, change func(*processHealth)) {
	h.advance(now)
	p := h.processes[target]
	was := p.up()
	change(p)
	if p.up() && !was {
		p.upSince = now
	}
	h.update(now, false, schedule.Verifiers()...)
}

// update writes the timelines.
func (h *health) update(now time.Time, reset bool, verifiers ...schedule.Target) {
	for _, target := range verifiers {
		p := h.processes[target]
		h.verifiers[target].set(now, h.controlled() && p.up() && !p.stopped, reset)
	}
	h.leader.set(now, h.leads(now), false)
}

// controlled reports whether API server and etcd are healthy.
func (h *health) controlled() bool { return !h.down[schedule.APIServer] && !h.down[schedule.Etcd] }

// leads reports whether there is a leader for certain.
func (h *health) leads(now time.Time) bool {
	at, ok := h.leadsFrom()

	return ok && !at.After(now)
}

// leadsFrom returns when there is a leader, if nothing else changes.
func (h *health) leadsFrom() (time.Time, bool) {
	var times []time.Time
	for _, target := range schedule.Operators() {
		p := h.processes[target]
		if p.stopped {
			return time.Time{}, false // it may be the leader
		}
		if p.up() {
			times = append(times, p.upSince.Add(takeover))
		}
	}
	if len(times) == 0 || !h.controlled() {
		return time.Time{}, false
	}

	return slices.MinFunc(times, time.Time.Compare), true
}

// advance notes a takeover that was due since the last change.
func (h *health) advance(now time.Time) {
	if at, ok := h.leadsFrom(); ok && at.Before(now) && !h.leader.healthy() {
		h.leader.set(at, true, false)
	}
}
