// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// A flood of refusals is a few lines and a number, for each reason by itself, and no refusal is lost from the counts.
func TestRefusalsAreSummarized(t *testing.T) {
	var log bytes.Buffer
	clock := clocktesting.NewFakePassiveClock(time.Unix(1_800_000_000, 0))
	core, err := server.New(server.Options{
		Index: one{}, Limiter: generous{}, Uses: &uses{}, Clock: clock,
		Log: slog.New(slog.NewJSONHandler(&log, nil)), LogRefused: 3, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := foreign()
	for range 1000 {
		core.Verify(t.Context(), request(key))
	}
	core.Verify(t.Context(), request("none")) // another reason has lines of its own
	core.SummarizeRefusals(t.Context())       // the second is not over
	expectLines(t, &log, map[string]int{"unknown": 3, "malformed": 1}, map[string]float64{})

	clock.SetTime(time.Unix(1_800_000_001, 0))
	core.SummarizeRefusals(t.Context())
	core.SummarizeRefusals(t.Context())
	expectLines(t, &log, map[string]int{}, map[string]float64{"unknown": 997})

	for range 5 {
		core.Verify(t.Context(), request(key))
	}
	clock.SetTime(time.Unix(1_800_000_002, 0))
	core.Verify(t.Context(), request(key)) // comes before the next summary
	core.SummarizeRefusals(t.Context())
	expectLines(t, &log, map[string]int{"unknown": 4}, map[string]float64{"unknown": 2})
}

// expectLines expects lines of single refusals and summaries by reason, and empties the log.
func expectLines(t *testing.T, log *bytes.Buffer, lines map[string]int, sums map[string]float64) {
	t.Helper()
	for text := range strings.Lines(log.String()) {
		var line struct {
			Msg, Reason string
			Count       float64
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.Msg == "decision" {
			lines[line.Reason]--
		} else {
			sums[line.Reason] -= line.Count
		}
	}
	log.Reset()
	for reason, left := range lines {
		if left != 0 {
			t.Errorf("%s: %d lines too few", reason, left)
		}
	}
	for reason, left := range sums {
		if left != 0 {
			t.Errorf("%s: %g refusals too few in the summaries", reason, left)
		}
	}
}
