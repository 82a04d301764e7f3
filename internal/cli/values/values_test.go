// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package values_test

import (
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/values"
)

// TestSpan reads lengths of time.
func TestSpan(t *testing.T) {
	for text, want := range map[string]v1alpha1.Duration{"30d": "720h", "0d": "0h", "12h30m": "12h30m", "90s": "90s", "41000d": "984000h"} {
		length, written, err := values.Span(text)
		if err != nil || written != want {
			t.Errorf("Span(%q) = %q, %v, want %q", text, written, err, want)
		}
		if again, err := time.ParseDuration(string(written)); err != nil || again != length {
			t.Errorf("Span(%q) returns %s and writes %q", text, length, written)
		}
	}
	for _, text := range []string{"", "d", "30", "-1d", "41001d", "-5m", "1 d", "1y", "99999999999999999999d"} {
		if _, written, err := values.Span(text); err == nil {
			t.Errorf("Span(%q) = %q, want an error", text, written)
		}
	}
}

// TestRateLimit reads rate limits.
func TestRateLimit(t *testing.T) {
	limit, err := values.RateLimit("100/1m,burst=20")
	if err != nil || *limit != (v1alpha1.RateLimit{Requests: 100, Per: "1m", Burst: 20}) {
		t.Errorf("with a burst: %+v, %v", limit, err)
	}
	if limit, err = values.RateLimit("5/1s"); err != nil || *limit != (v1alpha1.RateLimit{Requests: 5, Per: "1s"}) {
		t.Errorf("without a burst: %+v, %v", limit, err)
	}
	for _, text := range []string{"", "100", "100/", "/1m", "100/1m,burst=", "-1/1m", "12345678/1m", "100 per 1m"} {
		if limit, err := values.RateLimit(text); err == nil {
			t.Errorf("RateLimit(%q) = %+v, want an error", text, limit)
		}
	}
}

// TestEnd reads the ends of keys.
func TestEnd(t *testing.T) {
	for text, want := range map[string]string{"2027-11-21": "2027-11-21T00:00:00Z", "2027-11-21T12:00:00+01:00": "2027-11-21T11:00:00Z"} {
		if at, err := values.End(text); err != nil || at.UTC().Format(time.RFC3339) != want {
			t.Errorf("End(%q) = %v, %v, want %s", text, at, err, want)
		}
	}
	for _, text := range []string{"", "tomorrow", "2027-13-01", "2027-11-21 12:00"} {
		if at, err := values.End(text); err == nil {
			t.Errorf("End(%q) = %v, want an error", text, at)
		}
	}
}
