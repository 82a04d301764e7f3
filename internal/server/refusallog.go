// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// refusalLog decides which refusals are logged one by one: the first ones of each reason in a second. It counts the others, so that
// clients without a key cannot fill the disk of the log.
type refusalLog struct {
	perSecond uint64 // 0: all
	mu        sync.Mutex
	tallies   [access.Reasons]tally
}

// tally counts the refusals of one reason in one second.
type tally struct {
	second     int64
	lines      uint64
	suppressed uint64
}

// admit counts a refusal. It returns whether it has a line of its own, and how many refusals of an earlier second had none and have to
// be reported now.
func (l *refusalLog) admit(reason access.Reason, now time.Time) (own bool, suppressed uint64) {
	if l.perSecond == 0 {
		return true, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.tallies[reason]
	if second := now.Unix(); t.second != second {
		suppressed = t.suppressed
		*t = tally{second: second}
	}
	if t.lines < l.perSecond {
		t.lines++

		return true, suppressed
	}
	t.suppressed++

	return false, suppressed
}

// take returns, for each reason, the number of refusals without a line in seconds that have ended, and resets it.
func (l *refusalLog) take(now time.Time) (suppressed [access.Reasons]uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for reason := range l.tallies {
		if t := &l.tallies[reason]; t.second != now.Unix() {
			suppressed[reason], t.suppressed = t.suppressed, 0
		}
	}

	return suppressed
}

// summarize writes one line for refusals without one.
func (l *accessLog) summarize(ctx context.Context, reason access.Reason, count uint64) {
	if count > 0 {
		l.to.LogAttrs(ctx, slog.LevelInfo, "more decisions", slog.String("decision", "denied"),
			slog.String("reason", reason.String()), slog.Int("code", reason.Code()), slog.Uint64("count", count))
	}
}

// SummarizeRefusals logs, for each reason, how many refusals had no line of their own. Call it about once a second, and at the end.
func (v *Verifier) SummarizeRefusals(ctx context.Context) {
	for reason, count := range v.log.refused.take(v.clock.Now()) {
		v.log.summarize(ctx, access.Reason(reason), count)
	}
}
