// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connlimit_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/connlimit"
)

// site is a listener on loopback, whose connections are accepted one by one.
type site struct {
	*connlimit.Listener

	t       *testing.T
	clock   *clocktesting.FakeClock
	evicted prometheus.Counter
}

func newSite(t *testing.T, connections, requests int) *site {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	s := &site{
		t: t, clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0)), evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "evicted"}),
	}
	s.Listener = connlimit.Listen(inner, connlimit.Options{Connections: connections, Requests: requests, Clock: s.clock, Evicted: s.evicted})

	return s
}

// connect makes a connection and returns the end of the server. Each comes a second after the one before.
func (s *site) connect() *connlimit.Conn {
	s.t.Helper()
	s.clock.Step(time.Second)
	client, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	server, err := s.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	c := connlimit.Of(server.RemoteAddr())
	if c != server {
		s.t.Fatalf("the address of %v leads to %v", server, c)
	}

	return c
}

func isOpen(c *connlimit.Conn) bool { return c.SetDeadline(time.Time{}) == nil }

func (s *site) expectOpen(want map[*connlimit.Conn]bool) {
	s.t.Helper()
	for c, open := range want {
		if isOpen(c) != open {
			s.t.Errorf("connection from %s is open: %t, want %t", c.RemoteAddr(), !open, open)
		}
	}
}

func TestOldestUnprovenConnectionMakesRoom(t *testing.T) {
	s := newSite(t, 3, 10)
	gateway, first, second := s.connect(), s.connect(), s.connect()
	gateway.Answered()
	third := s.connect()
	s.expectOpen(map[*connlimit.Conn]bool{gateway: true, first: false, second: true, third: true})
	fourth := s.connect()
	s.expectOpen(map[*connlimit.Conn]bool{gateway: true, second: false, third: true, fourth: true})
	if s.Len() != 3 || testutil.ToFloat64(s.evicted) != 2 {
		t.Errorf("%d are open and %g were evicted, want 3 and 2", s.Len(), testutil.ToFloat64(s.evicted))
	}
}

func TestLongestUnansweredConnectionMakesRoom(t *testing.T) {
	s := newSite(t, 2, 10)
	first, second := s.connect(), s.connect()
	for _, c := range []*connlimit.Conn{second, first} {
		s.clock.Step(time.Second)
		c.Answered()
	}
	third := s.connect()
	s.expectOpen(map[*connlimit.Conn]bool{first: true, second: false, third: true})
}

func TestClosedConnectionsLeaveNothingBehind(t *testing.T) {
	s := newSite(t, 2, 10)
	for range 100 {
		c := s.connect()
		for range 2 { // servers close twice
			_ = c.Close()
		}
	}
	if s.Len() != 0 || testutil.ToFloat64(s.evicted) != 0 {
		t.Errorf("%d are open and %g were evicted", s.Len(), testutil.ToFloat64(s.evicted))
	}
}

func TestRequestsUnderWay(t *testing.T) {
	s := newSite(t, 10, 2)
	attacker, gateway := s.connect(), s.connect()
	s.clock.Step(time.Second)
	gateway.Answered()
	for range 2 {
		if err := attacker.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := attacker.Begin(t.Context()); !errors.Is(err, connlimit.ErrBusy) {
		t.Errorf("a third request of the same connection: %v", err)
	}
	s.expectOpen(map[*connlimit.Conn]bool{attacker: true})
	if err := gateway.Begin(t.Context()); err != nil {
		t.Errorf("a request of another connection: %v", err)
	}
	s.expectOpen(map[*connlimit.Conn]bool{attacker: false, gateway: true})
}

func TestRequestsEndWithTheirContext(t *testing.T) {
	s := newSite(t, 10, 1)
	c := s.connect()
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		if err := c.Begin(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		for deadline := time.Now().Add(30 * time.Second); s.UnderWay() != 0; {
			if time.Now().After(deadline) {
				t.Fatal("a request has not ended with its context")
			}
		}
	}
}

func TestAddressesOfOthers(t *testing.T) {
	if c := connlimit.Of(&net.TCPAddr{}); c != nil {
		t.Errorf("an address of no listener leads to %v", c)
	}
	if c := connlimit.Of(nil); c != nil {
		t.Errorf("no address leads to %v", c)
	}
}
