// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

const (
	enterPath   = "/enter"
	sessionPath = "/session"
	changesPath = "/changes"
	tokenBytes  = 32
)

// session is the one browser that the server serves.
type session struct {
	token      string // that stands in the address to open
	cookie     string // its value
	cookieName string

	mu      sync.Mutex
	entered bool // the token was exchanged

	flashes pending[flash]         // must hold no key
	answers pending[explainAnswer] // hold no key
}

// newSession draws the secrets of a session. The name of the cookie holds the port, because cookies of all ports share one jar.
func newSession(host string) *session {
	_, port, _ := net.SplitHostPort(host) // the address of a listener has a port

	return &session{token: random(), cookie: random(), cookieName: "apikey-ui-" + port}
}

func random() string {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails

	return base64.RawURLEncoding.EncodeToString(secret)
}

// exchange reports whether the token is the right one, the first time that it is.
func (s *session) exchange(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entered || !same(token, s.token) {
		return false
	}
	s.entered = true

	return true
}

// owns reports whether a request comes from the browser of the session.
func (s *session) owns(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.entered && slices.ContainsFunc(r.CookiesNamed(s.cookieName), func(c *http.Cookie) bool { return same(c.Value, s.cookie) })
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// enter answers with the page whose script exchanges the token.
func (s *server) enter(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "enter", page{Title: "Opening"})
}

// begin exchanges the token for the cookie.
func (s *server) begin(w http.ResponseWriter, r *http.Request) error {
	token, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if !s.session.exchange(string(token)) {
		refuse(w, http.StatusForbidden, "The token is wrong or was used before.")

		return nil
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: not Secure, because the page is served over http on loopback
		Name: s.session.cookieName, Value: s.session.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.WriteHeader(http.StatusNoContent)

	return nil
}

// members lets the browser of the session through.
func (s *server) members(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.session.owns(r) {
			s.show(w, r, http.StatusUnauthorized, "stranger", page{Title: "Not opened here"})

			return
		}
		if !isRefresh(r) && r.URL.Path != changesPath { // a forgotten tab goes on asking
			s.touch()
		}
		if r.URL.Path != changesPath {
			ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// flash is a message about what was done, for the next view of a path.
type flash struct {
	// Tone is "ok", "warn" or "bad".
	Tone string
	// Text is a sentence; Detail another, or more.
	Text, Detail string
}

// maxKept is how many messages and answers wait for views that are never looked at.
const maxKept = 100

// pending holds what the next view of a path shows once. The zero value holds nothing.
type pending[T any] struct {
	mu   sync.Mutex
	kept map[string]T
}

// leave keeps a value for the next view of a path.
func (p *pending[T]) leave(path string, value T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil || len(p.kept) >= maxKept {
		p.kept = map[string]T{}
	}
	p.kept[path] = value
}

// take returns the value for a path once; nil: there is none.
func (p *pending[T]) take(path string) *T {
	p.mu.Lock()
	defer p.mu.Unlock()
	value, found := p.kept[path]
	if !found {
		return nil
	}
	delete(p.kept, path)

	return &value
}
