// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"errors"
	"net/http"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// ErrWire is what a request fails with that a Wire does not let through.
var ErrWire = errors.New("the connection was cut by the test")

// Cut says at which write a Wire cuts the connection, counted from 1.
type Cut struct {
	Write int
	// After lets the API server carry the write out and loses the answer; else the write never reaches it.
	After bool
	// Forever cuts everything that follows, too, as when the process has died; else only that one write.
	Forever bool
	// Meanwhile, instead of cutting, runs before that write is sent: what others do while this client is held up.
	Meanwhile func()
}

// Wire is the connection between a client and the API server. It counts requests and can be cut.
type Wire struct {
	mu     sync.Mutex
	cut    Cut
	writes int
	dead   bool
	calls  []string
}

// NewWire returns a Wire that is cut at one write; the zero Cut never cuts.
func NewWire(cut Cut) *Wire { return &Wire{cut: cut} }

// Attach makes all clients of a copy of a configuration use this wire.
func (w *Wire) Attach(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &end{wire: w, next: next} })

	return cfg
}

// Calls returns the requests so far, such as "PUT apikeys/status", without watches, discovery, leases and events.
func (w *Wire) Calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()

	return append([]string(nil), w.calls...)
}

// Writes returns those of the Calls that change something.
func (w *Wire) Writes() []string {
	var writes []string
	for _, call := range w.Calls() {
		if !strings.HasPrefix(call, http.MethodGet) && !strings.HasPrefix(call, "LIST") {
			writes = append(writes, call)
		}
	}

	return writes
}

// Reset forgets the requests so far.
func (w *Wire) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = nil
}

// end is the client's end of a wire.
type end struct {
	wire *Wire
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (e *end) RoundTrip(req *http.Request) (*http.Response, error) {
	lose, err := e.wire.pass(req)
	if err != nil {
		return nil, err
	}
	if e.wire.heldUp(req) {
		e.wire.cut.Meanwhile()
	}
	resp, err := e.next.RoundTrip(req)
	if lose && err == nil {
		_ = resp.Body.Close()

		return nil, ErrWire
	}

	return resp, err
}

// pass notes a request. It reports whether the answer must be lost, and returns an error if the request must not be sent.
func (w *Wire) pass(req *http.Request) (lose bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return false, ErrWire
	}
	name := callName(req)
	if name == "" {
		return false, nil
	}
	w.calls = append(w.calls, name)
	if req.Method == http.MethodGet {
		return false, nil
	}
	if w.writes++; w.writes != w.cut.Write || w.cut.Meanwhile != nil {
		return false, nil
	}
	w.dead = w.cut.Forever
	if !w.cut.After {
		return false, ErrWire
	}

	return true, nil
}

// heldUp reports whether a request is the write during which others act.
func (w *Wire) heldUp(req *http.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.cut.Meanwhile != nil && w.writes == w.cut.Write && req.Method != http.MethodGet && callName(req) != ""
}

// callName returns the method and the resource of a request; empty: the Wire does not count it.
func callName(req *http.Request) string {
	if req.URL.Query().Get("watch") != "" {
		return ""
	}
	_, path, namespaced := strings.Cut(req.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/")
	if !namespaced { // a list of all namespaces: /apis/<group>/<version>/<resource>, or /api/v1/<resource>
		parts = strings.Split(strings.Trim(req.URL.Path, "/"), "/")
		resource := parts[len(parts)-1]
		if resource == "apikeys" || resource == "secrets" {
			return "LIST " + resource
		}

		return ""
	}
	if len(parts) < 2 || parts[1] == "events" || parts[1] == "leases" {
		return ""
	}
	name := req.Method + " " + parts[1]
	if len(parts) > 3 {
		name += "/" + parts[3]
	}

	return name
}
