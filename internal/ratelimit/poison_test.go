// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// TestPoisonedBucketCountsAsNone: a bucket that was not written by the script refuses nothing, and is replaced by one that ends.
func TestPoisonedBucketCountsAsNone(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), patient)
	limit := access.Limit{Requests: 24, Burst: 10, Per: day}
	now := func(taken string) []any { return []any{"SET", "", fmt.Sprintf("%s %d", taken, s.now())} }
	for name, command := range map[string][]any{
		"nan":                            now("nan"),
		"minus nan":                      now("-nan"),
		"NaN with a payload":             now("nan(0x7ff)"),
		"inf":                            now("inf"),
		"minus inf":                      now("-inf"),
		"infinity":                       now("infinity"),
		"a number beyond all doubles":    now("1e999"),
		"a huge number":                  now("1e300"),
		"more than any limit allows":     now("1000002"),
		"a huge hexadecimal number":      now("0xffffffffffff"),
		"a negative number":              now("-5"),
		"a huge negative number":         now("-1e300"),
		"a text":                         {"SET", "", "nonsense"},
		"nothing":                        {"SET", "", ""},
		"a text of two words":            now("ten"),
		"a number alone":                 {"SET", "", "10"},
		"a time that is nan":             {"SET", "", "10 nan"},
		"a negative time":                {"SET", "", "10 -5"},
		"three numbers":                  {"SET", "", "10 10 10"},
		"bytes":                          {"SET", "", "\x00\xff\n10 10"},
		"a bucket and a long tail":       {"SET", "", "10 1" + strings.Repeat("0", 100)},
		"a megabyte":                     {"SET", "", strings.Repeat("10 ", 350_000)},
		"a list":                         {"RPUSH", "", "10", "10"},
		"a hash":                         {"HSET", "", "10", "10"},
		"a set":                          {"SADD", "", "10"},
		"a sorted set":                   {"ZADD", "", "10", "10"},
		"a stream":                       {"XADD", "", "*", "10", "10"},
		"a HyperLogLog, which is a text": {"PFADD", "", "10"},
	} {
		t.Run(name, func(t *testing.T) {
			key := "apikey-operator:ratelimit:" + name
			command[1] = key
			s.do(command...)
			if got := r.Take(t.Context(), name, limit); !got.Granted || got.Remaining != 9 || got.Reset.Round(time.Minute) != time.Hour {
				t.Errorf("quota is %+v, want 9 left", got)
			}
			s.wantEnd(t, key, time.Hour)
		})
	}
	r.wantMetric(t, "fallback_total", 0)
	r.wantUp(t)
}

// TestEveryBucketEnds: also one that has no end and that refuses, or that refuses because of what is far too long for the limit.
func TestEveryBucketEnds(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), patient)
	limit := access.Limit{Requests: 24, Burst: 10, Per: day}
	for name, taken := range map[string]string{"used up": "10", "nearly used up": "9.5", "used more than that": "1000000", "in use": "5"} {
		t.Run(name, func(t *testing.T) {
			key := "apikey-operator:ratelimit:" + name
			s.do("SET", key, fmt.Sprintf("%s %d", taken, s.now()))
			if got := r.Take(t.Context(), name, limit); got.Granted != (taken == "5") {
				t.Errorf("quota is %+v", got)
			}
			s.wantEnd(t, key, 10*time.Hour)
		})
	}
}

// wantEnd wants a bucket to end, at the latest after a while.
func (s *server) wantEnd(t *testing.T, key string, latest time.Duration) {
	t.Helper()
	if ttl, _ := s.do("PTTL", key).(int64); ttl <= 0 || ttl > latest.Milliseconds() {
		t.Errorf("%s ends in %d ms, want within %s", key, ttl, latest)
	}
}
