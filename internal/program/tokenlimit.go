// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// Limits of requests with tokens that were not accepted before. Each may cost the API server a TokenReview and a SubjectAccessReview.
const (
	unknownPerSecond = 5
	unknownBurst     = 10
	// acceptedFor is how long a token is exempt from the limit after it was accepted.
	acceptedFor = 10 * time.Minute
	// maxAccepted limits the number of tokens that are remembered.
	maxAccepted = 100
)

// tokenLimit limits how many requests with unknown tokens reach the API server. It is safe for concurrent use.
type tokenLimit struct {
	clock   clock.PassiveClock
	unknown *rate.Limiter

	mu         sync.Mutex
	acceptedAt map[tokenDigest]time.Time
}

// tokenDigest stands for the Authorization header of a request, so that no token is kept.
type tokenDigest [sha256.Size]byte

func newTokenLimit(c clock.PassiveClock) *tokenLimit {
	return &tokenLimit{
		clock: c, unknown: rate.NewLimiter(unknownPerSecond, unknownBurst), acceptedAt: map[tokenDigest]time.Time{},
	}
}

func digestOf(r *http.Request) (digest tokenDigest, ok bool) {
	token := r.Header.Get("Authorization")

	return sha256.Sum256([]byte(token)), token != ""
}

// before answers 429 to requests beyond the limit, and remembers the tokens of those that the next handler answers 200. It passes on
// requests with accepted tokens, and those without a token, which the next handler refuses without a call to the API server.
func (l *tokenLimit) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Sec-Websocket-Protocol") // the authenticator also reads tokens from this header
		digest, hasToken := digestOf(r)        // now: the authenticator removes the token
		if hasToken && !l.isAccepted(digest) && !l.unknown.AllowN(l.clock.Now(), 1) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "Too many requests with unknown tokens", http.StatusTooManyRequests)

			return
		}
		answer := &answerCode{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		if hasToken && answer.code == http.StatusOK {
			l.accept(digest)
		}
	})
}

// answerCode records the status code of an answer.
type answerCode struct {
	http.ResponseWriter

	code int
}

// WriteHeader implements http.ResponseWriter.
func (a *answerCode) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

func (l *tokenLimit) isAccepted(digest tokenDigest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.acceptedAt[digest]

	return ok && l.clock.Since(at) < acceptedFor
}

func (l *tokenLimit) accept(digest tokenDigest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.acceptedAt[digest]; !ok && len(l.acceptedAt) >= maxAccepted {
		for other, at := range l.acceptedAt {
			if l.clock.Since(at) >= acceptedFor {
				delete(l.acceptedAt, other)
			}
		}
		if len(l.acceptedAt) >= maxAccepted {
			return
		}
	}
	l.acceptedAt[digest] = l.clock.Now()
}
