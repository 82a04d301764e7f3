// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fate is what becomes of a call.
type fate int

const (
	// succeed: the call is carried out, and the answer arrives.
	succeed fate = iota
	// fail: the call is not carried out, and the operator gets an error.
	fail
	// loseAnswer: the call is carried out, and the operator gets an error.
	loseAnswer
	// delay: the operator gets an error, and the call may be carried out later.
	delay
	// conflict: the answer is 409, and the call is not carried out.
	conflict
	// refuse: the answer is 403, and the call is not carried out.
	refuse
	// crashBefore: the operator ends, and the call is not carried out.
	crashBefore
	// crashAfter: the call is carried out, and the operator ends.
	crashAfter
	// crashDelayed: the operator ends, and the call may be carried out later.
	crashDelayed
)

func (f fate) String() string {
	return [...]string{
		"ok", "fails", "carried out, answer lost", "in flight, timeout", "409", "403",
		"crash before", "crash after", "in flight, crash",
	}[f]
}

// fate chooses what becomes of a call.
func (w *world) fate(c *call) fate {
	if c.verb == readSecret {
		return [...]fate{succeed, fail, crashBefore}[w.weighted(94, 4, 2)]
	}
	switch writesSecret := c.verb != writeStatus; {
	case w.mood == stormy && writesSecret:
		return fate(w.weighted(20, 5, 5, 40, 5, 0, 5, 5, 15))
	case w.mood == crashLoop && writesSecret:
		return fate(w.weighted(5, 5, 5, 60, 0, 0, 5, 5, 15))
	case w.mood == crashLoop:
		return fate(w.weighted(94, 1, 1, 1, 1, 0, 1, 1, 0))
	default:
		return fate(w.weighted(76, 4, 4, 4, 2, 2, 2, 4, 2))
	}
}

// answer carries out a call, or not, and lets its pass continue.
func (w *world) answer(o *operator, p *pass, f fate) {
	c := p.call
	switch {
	case f < crashBefore && c.sent.After(p.deadline):
		f = fail
	case f == succeed && w.now.After(p.deadline):
		f = loseAnswer // the sender has given up
	}
	o.calls++
	if c.verb != readSecret {
		o.writes++
	}
	w.carryOut(c, f)
	p.answered(c, w.now)
	w.tracef("operator %d: %s %s: %s: %v", o.place, c.verb, c.name, f, c.err)
	if f >= crashBefore {
		w.restart(o.place, w.pick(4))

		return
	}
	o.advance(p)
}

// answered notes what the answer to a call means for the rest of the pass.
func (p *pass) answered(c *call, now time.Time) {
	p.confirmed = p.confirmed || c.verb == writeStatus && (c.err == nil || apierrors.IsForbidden(c.err))
	if !p.failed && c.err != nil && !apierrors.IsNotFound(c.err) {
		p.failed, p.deadline = true, now.Add(reportTime)
	}
}

// carryOut carries out a call as its fate says, and sets its answer.
func (w *world) carryOut(c *call, f fate) {
	switch f {
	case succeed:
		w.execute(c)
	case loseAnswer:
		w.execute(c)
		c.err = timeout()
	case crashAfter:
		w.execute(c)
	case delay, crashDelayed:
		w.inFlight = append(w.inFlight, c.copy())
		c.err = timeout()
	case conflict:
		c.err = apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, c.name, errors.New("an admission plugin says so"))
	case refuse:
		c.err = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, c.name, errors.New("an admission plugin says so"))
	default:
		c.err = timeout()
	}
}

// timeout is the error of a request without an answer.
func timeout() error { return apierrors.NewTimeoutError("no answer in time", 0) }

// copy returns a call that the operator cannot change any more.
func (c *call) copy() *call {
	later := *c
	if c.secret != nil {
		later.secret = c.secret.DeepCopy()
	}
	if c.apikey != nil {
		later.apikey = c.apikey.DeepCopy()
	}

	return &later
}

// execute carries out a call.
func (w *world) execute(c *call) {
	w.acting = c.pass
	defer func() { w.acting = nil }()
	switch c.verb {
	case readSecret:
		c.pass.began = len(w.server.Secrets.Log())
		c.secret, c.err = w.server.Secrets.Get(c.name)
	case createSecret:
		c.secret, c.err = w.server.Secrets.Create(c.secret)
	case updateSecret:
		c.secret, c.err = w.server.Secrets.Update(c.secret)
	case deleteSecret:
		c.err = w.server.Secrets.Delete(c.name, c.preconditions)
	case writeStatus:
		c.apikey, c.err = w.server.UpdateStatus(c.apikey)
	}
}
