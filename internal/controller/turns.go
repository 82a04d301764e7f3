// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Priorities of queued APIKeys, as controller-runtime numbers them; 0 is the default.
const (
	// priorityAsked is for requests about keys that were handed out: rotate, suspend, revoke, delete, expire.
	priorityAsked = 100
	// priorityFirst is for first keys.
	priorityFirst = 0
	// priorityBehind is for work that no user waits for: the initial list, resyncs, changes of policies, the operator's own writes.
	priorityBehind = handler.LowPriority
)

// A class is a range of priorities. Within a class namespaces take turns.
type class int

const (
	classBehind class = iota
	classFirst
	classAsked
	classes int = iota
)

func classOf(priority int) class {
	switch {
	case priority > priorityFirst:
		return classAsked
	case priority < priorityFirst:
		return classBehind
	default:
		return classFirst
	}
}

func (c class) priority() int { return [...]int{priorityBehind, priorityFirst, priorityAsked}[c] }

// Every asideTurn-th turn goes to first keys, and every behindTurn-th to classBehind, whatever else is queued. So a namespace that rotates
// all the time cannot keep other namespaces from getting keys.
const (
	asideTurn  = 4
	behindTurn = 16
)

// turns is the order of the queue. It implements workqueue.Queue, whose methods the queue calls under a lock of its own.
type turns struct {
	lines [classes]line
	taken uint64

	mu sync.Mutex
	// wanted is the class of items that are added next or are in the queue.
	wanted map[reconcile.Request]class
	// later is the class of items that are added after a delay; it counts where wanted has no class.
	later map[reconcile.Request]class
	// last is the class of items that were taken.
	last map[reconcile.Request]class
	// queued is the class in whose line an item stands. An item that has moved up still stands in its old line, which skips it.
	queued map[reconcile.Request]class
}

func newTurns() *turns {
	t := &turns{
		wanted: map[reconcile.Request]class{}, later: map[reconcile.Request]class{},
		last: map[reconcile.Request]class{}, queued: map[reconcile.Request]class{},
	}
	for c := range t.lines {
		t.lines[c].items = map[string][]reconcile.Request{}
	}

	return t
}

// want sets the class in which an item is added, now or later. The highest of several classes counts.
func (t *turns) want(item reconcile.Request, c class, now bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	into := t.later
	if now {
		into = t.wanted
	}
	if earlier, ok := into[item]; !ok || c > earlier {
		into[item] = c
	}
}

// forget drops the class of an item that was to be added later.
func (t *turns) forget(item reconcile.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.later, item)
}

// lastOf returns the class in which an item was taken.
func (t *turns) lastOf(item reconcile.Request) class {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.last[item]
}

// done drops the class of an item that was taken.
func (t *turns) done(item reconcile.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.last, item)
}

// class returns the class in which an item is to stand.
func (t *turns) class(item reconcile.Request) class {
	if c, ok := t.wanted[item]; ok {
		return c
	}
	if c, ok := t.later[item]; ok {
		return c
	}

	return classFirst
}

// Push adds an item. It implements workqueue.Queue.
func (t *turns) Push(item reconcile.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.class(item)
	t.queued[item] = c
	t.lines[c].add(item)
}

// Touch moves an item up that was added again in a higher class. It implements workqueue.Queue.
func (t *turns) Touch(item reconcile.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, stands := t.queued[item]; !stands || t.class(item) <= c {
		return
	}
	c := t.class(item)
	t.queued[item] = c
	t.lines[c].add(item)
}

// Len returns how many items there are. It implements workqueue.Queue.
func (t *turns) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()

	return len(t.queued)
}

// Pop takes the item whose turn it is. It implements workqueue.Queue, which calls it only if there is one.
func (t *turns) Pop() reconcile.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken++
	for _, c := range t.order() {
		for {
			item, ok := t.lines[c].take()
			if !ok {
				break
			}
			if stands, queued := t.queued[item]; queued && stands == c {
				delete(t.queued, item)
				delete(t.wanted, item)
				t.last[item] = c

				return item
			}
		}
	}

	return reconcile.Request{} // not reached: Len counts what the lines hold
}

// order returns the classes in the order of this turn.
func (t *turns) order() []class {
	switch {
	case t.taken%behindTurn == 0:
		return []class{classBehind, classAsked, classFirst}
	case t.taken%asideTurn == 0:
		return []class{classFirst, classAsked, classBehind}
	default:
		return []class{classAsked, classFirst, classBehind}
	}
}

// A line holds the items of one class. Namespaces take turns; within a namespace the order is first in, first out.
type line struct {
	next  []string
	items map[string][]reconcile.Request
}

func (l *line) add(item reconcile.Request) {
	if len(l.items[item.Namespace]) == 0 {
		l.next = append(l.next, item.Namespace)
	}
	l.items[item.Namespace] = append(l.items[item.Namespace], item)
}

func (l *line) take() (reconcile.Request, bool) {
	if len(l.next) == 0 {
		return reconcile.Request{}, false
	}
	namespace := l.next[0]
	l.next = l.next[1:]
	item := l.items[namespace][0]
	if rest := l.items[namespace][1:]; len(rest) > 0 {
		l.items[namespace] = rest
		l.next = append(l.next, namespace)
	} else {
		delete(l.items, namespace)
	}

	return item, true
}
