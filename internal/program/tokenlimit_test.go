// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// scrapes is a tokenLimit before a handler that accepts tokens beginning with "good", and counts the requests that reach it.
type scrapes struct {
	clock   *clocktesting.FakeClock
	limit   *tokenLimit
	handler http.Handler
	reached int
}

func newScrapes() *scrapes {
	s := &scrapes{clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))}
	s.limit = newTokenLimit(s.clock)
	s.handler = s.limit.before(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reached++
		if r.Header.Get("Sec-Websocket-Protocol") != "" {
			http.Error(w, "a token that the limit does not see", http.StatusTeapot)
		} else if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer good") {
			w.WriteHeader(http.StatusUnauthorized)
		}
		r.Header.Del("Authorization") // as the authenticator does
	}))

	return s
}

// ask returns the status code for a request with this token; "": without one.
func (s *scrapes) ask(token string) int {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", http.NoBody)
	r.Header.Set("Sec-Websocket-Protocol", "base64url.bearer.authorization.k8s.io.Z29vZA")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)

	return w.Code
}

func TestUnknownTokensAreLimited(t *testing.T) {
	s := newScrapes()
	for i := range 1000 {
		s.ask(fmt.Sprintf("bad %d", i))
	}
	if s.reached != unknownBurst {
		t.Errorf("%d requests at once got through, want %d", s.reached, unknownBurst)
	}
	s.reached = 0
	for i := range 1000 { // 10 seconds
		s.clock.Step(10 * time.Millisecond)
		s.ask(fmt.Sprintf("later %d", i))
	}
	if want := 10 * unknownPerSecond; s.reached != want {
		t.Errorf("%d requests got through in 10 seconds, want %d", s.reached, want)
	}
	if code := s.ask("good"); code != http.StatusTooManyRequests {
		t.Errorf("a token that was never accepted got %d", code)
	}
}

func TestAcceptedTokensAreNotLimited(t *testing.T) {
	s := newScrapes()
	if code := s.ask("good"); code != http.StatusOK {
		t.Fatalf("answered %d", code)
	}
	flood := func() {
		for i := range 100 {
			s.ask(fmt.Sprintf("bad %d", i))
		}
	}
	for range 100 {
		flood()
		if code := s.ask("good"); code != http.StatusOK {
			t.Fatalf("an accepted token got %d", code)
		}
		s.clock.Step(time.Minute)
	}
	s.clock.Step(acceptedFor)
	flood()
	if code := s.ask("good"); code != http.StatusTooManyRequests {
		t.Errorf("a token that was accepted long ago got %d", code)
	}
}

func TestRequestsWithoutATokenTakeNothingFromTheLimit(t *testing.T) {
	s := newScrapes()
	for range 1000 {
		if code := s.ask(""); code != http.StatusUnauthorized {
			t.Fatalf("answered %d", code)
		}
	}
	if code := s.ask("good"); code != http.StatusOK {
		t.Errorf("a scraper got %d", code)
	}
}

func TestFewTokensAreRemembered(t *testing.T) {
	s := newScrapes()
	accept := func(kind string) {
		for i := range 2 * maxAccepted {
			s.clock.Step(time.Second) // within the limit
			if code := s.ask(fmt.Sprintf("good %s %d", kind, i)); code != http.StatusOK {
				t.Fatalf("answered %d", code)
			}
		}
	}
	accept("old")
	if n := len(s.limit.acceptedAt); n != maxAccepted {
		t.Errorf("%d tokens are remembered, want %d", n, maxAccepted)
	}
	s.clock.Step(acceptedFor)
	accept("new")
	if !s.limit.isAccepted(digestOfToken("good new 0")) {
		t.Error("old tokens keep new ones out")
	}
}

func digestOfToken(token string) tokenDigest {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	digest, _ := digestOf(r)

	return digest
}

func TestServerLogIsLimited(t *testing.T) {
	var text bytes.Buffer
	clock := clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))
	log := ServerLog(slog.New(slog.NewTextHandler(&text, nil)), clock)
	for range 1000 {
		log.Print("http: TLS handshake error")
	}
	clock.Step(5 * time.Second)
	for range 1000 {
		log.Print("http: TLS handshake error")
	}
	want := serverLinesBurst + 5*serverLinesPerSecond
	if got := strings.Count(text.String(), "level=WARN"); got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
}
