// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

var rateLimitValue = regexp.MustCompile(`^"default";r=(\d+);t=(\d+)$`)

// Section 4.1.2 of draft-ietf-httpapi-ratelimit-headers-10: after t seconds there is more than r, whatever the limit and however
// much of it is used. A client that waits t, or Retry-After, never waits for nothing.
func TestRateLimitHeadersKeepTheirPromise(t *testing.T) {
	for _, limit := range []access.Limit{
		{Requests: 60, Per: time.Minute, Burst: 2},
		{Requests: 3, Per: time.Minute},
		{Requests: 7, Per: time.Minute},
		{Requests: 100, Per: 100 * time.Second, Burst: 1000},
		{Requests: 1, Per: 24 * time.Hour, Burst: 1_000_000},
		{Requests: 1, Per: 24 * time.Hour},
		{Requests: 1_000_000, Per: 24 * time.Hour, Burst: 3},
		{Requests: 1000, Per: time.Second, Burst: 5},
	} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			clock := clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))
			core, limiter := newLimitedCore(t, clock, limit)
			key := foreign()
			for range 12 {
				answer := core.Verify(t.Context(), request(key))
				left, after := expectRateLimit(t, &answer, limit)
				if left < int64(limit.Requests) && after > 0 { // what is above the quota is not said, so more of it cannot be seen
					clock.Step(after)
					if later := limiter.Take(t.Context(), "u", limit); !later.Granted || later.Remaining+1 <= left {
						t.Fatalf("r=%d;t=%s, and then %t and %d more fit", left, after, later.Granted, later.Remaining)
					}
				}
			}
		})
	}
}

// expectRateLimit checks the headers of an answer against each other, and returns r and t.
func expectRateLimit(t *testing.T, answer *server.Answer, limit access.Limit) (left int64, after time.Duration) {
	t.Helper()
	policy, value, retryAfter := answer.RateLimits()
	parts := rateLimitValue.FindStringSubmatch(value)
	if parts == nil || policy != fmt.Sprintf(`"default";q=%d;w=%d`, limit.Requests, int(limit.Per.Seconds())) {
		t.Fatalf("RateLimit: %s, RateLimit-Policy: %s", value, policy)
	}
	left, _ = strconv.ParseInt(parts[1], 10, 64)
	seconds, _ := strconv.ParseInt(parts[2], 10, 64)
	if left > int64(limit.Requests) {
		t.Fatalf("r=%d is more than q=%d", left, limit.Requests)
	}
	if (retryAfter != "") != (answer.Reason == access.RateLimited) || retryAfter != "" && retryAfter != parts[2] {
		t.Fatalf("%s: RateLimit: %s, Retry-After: %q", answer.Reason, value, retryAfter)
	}
	if interval := limit.Per.Seconds() / float64(limit.Requests); float64(seconds) > interval+1 {
		t.Fatalf("t=%d, and a request takes %g s to come back", seconds, interval)
	}

	return left, time.Duration(seconds) * time.Second
}

// newLimitedCore makes a core whose one key has a limit, kept in memory.
func newLimitedCore(t *testing.T, clock *clocktesting.FakeClock, limit access.Limit) (*server.Verifier, *ratelimit.Memory) {
	t.Helper()
	registry := prometheus.NewRegistry()
	limiter, err := ratelimit.NewMemory(clock, registry)
	if err != nil {
		t.Fatal(err)
	}
	grant := live()
	grant.Subject.Limit, grant.Subject.UID = limit, "u"
	core, err := server.New(server.Options{
		Index: one{grant}, Limiter: limiter, Uses: &uses{}, Clock: clock,
		Log: slog.New(slog.NewJSONHandler(&bytes.Buffer{}, nil)), Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}

	return core, limiter
}
