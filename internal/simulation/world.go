// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// world is the state of one history.
type world struct {
	*chooser

	ctx      context.Context
	scheme   *runtime.Scheme
	strip    strippers
	nonces   *nonces
	reporter *controller.Reporter
	server   *apimodel.Server
	oracle   *oracle
	users    users

	mood  mood
	now   time.Time
	skews [2]time.Duration
	// stepped reports that a clock has stepped: timers that were set before fire at another time of that clock than was meant.
	stepped   bool
	operators []*operator
	// inFlight are writes that the API server has received and not yet carried out, and whose sender has given up or ended.
	inFlight []*call
	// running is the pass that runs.
	running *pass
	// acting is the pass whose call is carried out; nil: a user acts, or the garbage collector.
	acting *pass
	// trace is called with a line for each effect, unless it is nil.
	trace func(string)
}

// start is the time at which every history begins.
func start() time.Time { return time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC) }

// tick is how long a step takes, beside the steps in which time passes.
const tick = 10 * time.Millisecond

// stormTick is how much longer a step takes in a storm, so that back-offs end.
const stormTick = time.Second

// Now implements clock.PassiveClock. It is the true time, which the API server and the verifier have.
func (w *world) Now() time.Time { return w.now }

// Since implements clock.PassiveClock.
func (w *world) Since(t time.Time) time.Duration { return w.now.Sub(t) }

// tracef prints an effect.
func (w *world) tracef(format string, args ...any) {
	if w.trace != nil {
		w.trace(fmt.Sprintf("%9.2fs  ", w.now.Sub(start()).Seconds()) + fmt.Sprintf(format, args...))
	}
}

// mood is what happens more often in a history than in others. Rare sequences of faults of one kind are found that way.
type mood int

const (
	// stormy: most writes of Secrets get no answer, and many arrive late. Mood 0 has nothing special.
	stormy mood = iota + 1
	// clocksStep: clocks step often.
	clocksStep
	// crashLoop: nearly no write of a Secret gets an answer, all else works, and users wait. Announced keys pile up until they are fenced.
	crashLoop
)

// setUp makes the operators. Half of the histories have two operators.
func (w *world) setUp() {
	w.mood = mood(w.weighted(16, 2, 2, 1))
	w.server.APIKeys.Changed = func(c apimodel.Change[*v1alpha1.APIKey]) { w.oracle.apikeyChanged(c) }
	w.server.Secrets.Changed = func(c apimodel.Change[*corev1.Secret]) { w.oracle.secretChanged(c) }
	for place := range 1 + w.pick(2) {
		w.operators = append(w.operators, newOperator(w, place, 0))
	}
	w.users.create(w)
}

// step lets one thing happen.
func (w *world) step() {
	w.now = w.now.Add(tick)
	if w.mood == stormy || w.mood == crashLoop {
		w.now = w.now.Add(stormTick)
	}
	well, users, land, skews := 14, 10, 3, 1
	switch w.mood {
	case clocksStep:
		skews = 8
	case crashLoop:
		well, users, land = 1, 2, 1
	case stormy:
	}
	things := [...]func(){
		func() {}, w.operate, w.operateWell, w.deliver, func() { w.users.act(w) }, w.pass, w.land, w.crash, w.relist, w.skew, w.server.CollectGarbage,
	}
	things[w.weighted(1, 48, well, 14, users, 4, land, 2, 2, skews, 1)]()
}

// operate lets the next call of an operator happen, with any fate, or starts a pass.
func (w *world) operate() {
	o := w.operators[w.pick(len(w.operators))]
	items := o.queue.items()
	if len(o.passes)+len(items) == 0 {
		return
	}
	if at := w.pick(len(o.passes) + len(items)); at < len(o.passes) {
		w.answer(o, o.passes[at], w.fate(o.passes[at].call))
	} else {
		o.begin(items[at-len(o.passes)])
	}
}

// operateWell lets an operator finish a pass without a fault.
func (w *world) operateWell() {
	o := w.operators[w.pick(len(w.operators))]
	if items := o.queue.items(); len(o.passes) == 0 && len(items) > 0 {
		o.begin(items[w.pick(len(items))])
	}
	if len(o.passes) > 0 {
		w.finish(o, o.passes[w.pick(len(o.passes))])
	}
}

// finish answers all calls of a pass.
func (w *world) finish(o *operator, p *pass) {
	for p.call != nil {
		w.answer(o, p, succeed)
	}
}

// deliver lets a watch deliver some changes.
func (w *world) deliver() {
	o := w.operators[w.pick(len(w.operators))]
	kind, count := w.pick(3), 1+w.pick(4)
	for range count {
		if kind != 1 && o.apikeys.behind() > 0 {
			o.apikeys.deliver()
		}
		if kind != 2 && o.secrets.behind() > 0 {
			o.secrets.deliver()
		}
	}
}

// pass lets time pass.
func (w *world) pass() {
	times := [...]time.Duration{time.Second, 3 * time.Second, 30 * time.Second, 2 * time.Minute, 11 * time.Minute, 2 * time.Hour}
	d := times[w.pick(len(times))]
	w.now = w.now.Add(d)
	w.tracef("%s pass", d)
	w.oracle.check()
}

// land carries out a write in flight.
func (w *world) land() {
	if len(w.inFlight) == 0 {
		return
	}
	at := w.pick(len(w.inFlight))
	c := w.inFlight[at]
	w.inFlight = append(w.inFlight[:at:at], w.inFlight[at+1:]...)
	w.execute(c)
	w.tracef("operator %d: a write in flight arrives: %s %s: %v", c.pass.operator.place, c.verb, c.name, c.err)
}

// crash ends a process and starts another, whose caches may be behind.
func (w *world) crash() { w.restart(w.pick(len(w.operators)), w.pick(4)) }

func (w *world) restart(place, lag int) {
	w.tracef("operator %d crashes and starts", place)
	w.operators[place].die()
	w.operators[place] = newOperator(w, place, lag)
}

// relist interrupts a watch.
func (w *world) relist() {
	o := w.operators[w.pick(len(w.operators))]
	if w.pick(2) == 0 {
		o.apikeys.relist(w.pick(8))
	} else {
		o.secrets.relist(w.pick(8))
	}
}

// skew sets the clock of an operator's machine.
func (w *world) skew() {
	skews := [...]time.Duration{0, time.Second, -time.Second, time.Minute, -time.Minute, 2 * time.Hour, -2 * time.Hour}
	place := w.pick(len(w.operators))
	w.skews[place] = skews[w.pick(len(skews))]
	w.stepped = true
	w.oracle.wasBehind = w.oracle.wasBehind || w.skews[place] < 0
	w.tracef("operator %d: the clock is wrong by %s", place, w.skews[place])
}
