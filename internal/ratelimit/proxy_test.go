// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// distant is the URL of a server that is so far away in each direction. Distance takes time and no throughput: what is
// sent later does not wait for what was sent earlier.
func distant(t *testing.T, s *server, way time.Duration) string {
	t.Helper()

	return distantURL(startProxy(t, s, way))
}

// distantURL is the URL of the server behind a proxy.
func distantURL(p *proxy) string {
	return (&url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: p.listener.Addr().String()}).String()
}

// proxy carries bytes between clients and a server, and counts connections.
type proxy struct {
	listener net.Listener
	server   *server
	way      time.Duration
	mu       sync.Mutex
	accepted int
}

func startProxy(t *testing.T, s *server, way time.Duration) *proxy {
	t.Helper()
	p := &proxy{listener: listen(t), server: s, way: way}
	go func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.accepted++
			p.mu.Unlock()
			upstream, err := (&net.Dialer{}).DialContext(t.Context(), "unix", s.socket)
			if err != nil {
				_ = client.Close() // as if the server had
				continue
			}
			go carry(upstream, client, way)
			go carry(client, upstream, way)
		}
	}()

	return p
}

// connections is how many were accepted so far.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.accepted
}

// carry copies until one side has gone, and ends both.
func carry(to, from net.Conn, way time.Duration) {
	type parcel struct {
		bytes []byte
		due   time.Time
	}
	parcels := make(chan parcel, 10_000)
	go func() {
		defer close(parcels)
		for {
			buffer := make([]byte, 16<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				parcels <- parcel{buffer[:n], time.Now().Add(way)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range parcels {
		if left := time.Until(p.due); left > 0 {
			timer := time.NewTimer(left)
			<-timer.C
		}
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	_ = to.Close()   // it may have ended already
	_ = from.Close() // so that the reader ends
}
