// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connlimit

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

// Options of a Listener. All are required.
type Options struct {
	// Connections is how many connections may be open at once.
	Connections int
	// Requests is how many calls of Begin may be under way at once.
	Requests int
	Clock    clock.PassiveClock
	// Evicted counts the connections that were closed to make room.
	Evicted prometheus.Counter
}

// Listener is a net.Listener that keeps to limits. It is safe for concurrent use.
type Listener struct {
	net.Listener

	options  Options
	requests atomic.Int64

	mu   sync.Mutex
	open map[*Conn]struct{}
	// unproven are the connections in the order in which they came, also those that are closed or proven by now.
	unproven []*Conn
}

// Listen bounds the connections that a listener accepts.
func Listen(inner net.Listener, o Options) *Listener {
	return &Listener{Listener: inner, options: o, open: map[*Conn]struct{}{}}
}

// Accept implements net.Listener. At the limit it closes another connection.
func (l *Listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: inner, listener: l}
	c.answered.Store(l.options.Clock.Now().UnixNano())
	l.mu.Lock()
	var victim *Conn
	if len(l.open) >= l.options.Connections {
		victim = l.victim()
	}
	l.open[c] = struct{}{}
	l.unproven = append(l.unproven, c)
	l.mu.Unlock()
	l.evict(victim)

	return c, nil
}

// evict closes a connection to make room; nil: none.
func (l *Listener) evict(victim *Conn) {
	if victim != nil {
		l.options.Evicted.Inc()
		_ = victim.Close() // what a client makes of that is its own business
	}
}

// victim is the connection that makes room. The caller holds the lock.
func (l *Listener) victim() *Conn {
	for len(l.unproven) > 0 {
		c := l.unproven[0]
		l.unproven[0] = nil
		l.unproven = l.unproven[1:]
		if _, open := l.open[c]; open && !c.proven.Load() {
			return c
		}
	}

	return l.longestUnanswered(func(*Conn) bool { return true })
}

// longestUnanswered is the connection whose last answer, or else its beginning, is the longest ago, among some.
func (l *Listener) longestUnanswered(among func(*Conn) bool) *Conn {
	var found *Conn
	for c := range l.open {
		if among(c) && (found == nil || c.answered.Load() < found.answered.Load()) {
			found = c
		}
	}

	return found
}

// forget forgets a connection that was closed.
func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	if len(l.unproven) > 2*len(l.open)+l.options.Connections {
		l.compact()
	}
}

// compact forgets the connections that are closed or proven.
func (l *Listener) compact() {
	kept := make([]*Conn, 0, len(l.open))
	for _, c := range l.unproven {
		if _, open := l.open[c]; open && !c.proven.Load() {
			kept = append(kept, c)
		}
	}
	l.unproven = kept
}

// Len is how many connections are open.
func (l *Listener) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return len(l.open)
}

// Conn is a connection of a Listener.
type Conn struct {
	net.Conn

	listener *Listener
	closed   sync.Once
	proven   atomic.Bool  // a request was answered on it
	answered atomic.Int64 // when that was last, in nanoseconds since 1970
	requests atomic.Int64 // calls of Begin that are under way
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.closed.Do(func() { c.listener.forget(c) })

	return c.Conn.Close()
}

// RemoteAddr implements net.Conn. The address leads back to the connection, through TLS and gRPC: see Of.
func (c *Conn) RemoteAddr() net.Addr { return address{c.Conn.RemoteAddr(), c} }

// Answered notes that a request was answered on the connection.
func (c *Conn) Answered() {
	c.answered.Store(c.listener.options.Clock.Now().UnixNano())
	if !c.proven.Load() {
		c.proven.Store(true)
	}
}

type address struct {
	net.Addr

	conn *Conn
}

// Of is the connection with this remote address; nil: it is none of a Listener.
func Of(remote net.Addr) *Conn {
	if a, ok := remote.(address); ok {
		return a.conn
	}

	return nil
}

// NoteState is a http.Server.ConnState. It records an answer when a connection becomes idle, which is after each request.
func NoteState(c net.Conn, state http.ConnState) {
	if state != http.StateIdle {
		return
	}
	if c := Of(c.RemoteAddr()); c != nil {
		c.Answered()
	}
}
