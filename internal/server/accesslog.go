// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// Highest numbers of bytes of text from outside in a line, after escaping. With names of at most 253, a line stays below 2 KiB.
const (
	maxPath    = 400
	maxTrouble = 320
	maxHost    = 256
	maxNeed    = 80
	maxMethod  = 32
	maxQuoted  = 100
)

// accessLog writes a line for each refused request, and for a sample of the allowed ones.
type accessLog struct {
	to      *slog.Logger
	allowed uint64
	count   atomic.Uint64
	refused refusalLog
}

// write writes the line of a decision. It redacts everything in it that may be a key.
func (l *accessLog) write(ctx context.Context, request *Request, answer *Answer, now time.Time, took time.Duration) {
	decision := "denied"
	if answer.Allowed() {
		if l.allowed == 0 || l.count.Add(1)%l.allowed != 0 {
			return
		}
		decision = "allowed"
	}
	if !l.to.Enabled(ctx, slog.LevelInfo) {
		return
	}
	if !answer.Allowed() {
		own, suppressed := l.refused.admit(answer.Reason, now)
		l.summarize(ctx, answer.Reason, suppressed)
		if !own {
			return
		}
	}
	attributes := make([]slog.Attr, 0, 13)
	attributes = append(attributes,
		slog.String("decision", decision),
		slog.String("reason", answer.Reason.String()),
		slog.Int("code", answer.Reason.Code()))
	if g := answer.Grant; g != nil && g.Subject != nil {
		attributes = append(attributes,
			slog.String("key", g.ID), slog.String("name", g.Subject.Name), slog.String("namespace", g.Subject.Namespace))
	}
	attributes = append(attributes,
		slog.String("environment", string(request.Needs.validEnvironment())),
		slog.String("permission", Scrub(string(request.Needs.permission), maxNeed)),
		slog.String("customer", Scrub(string(request.Needs.customer), maxNeed)),
		slog.String("method", Scrub(request.Method, maxMethod)),
		slog.String("host", Scrub(request.Host, maxHost)),
		slog.String("path", path(request.Path)),
		slog.Float64("latency_seconds", took.Seconds()))
	if trouble := request.Needs.trouble(); trouble != "" {
		attributes = append(attributes, slog.String("trouble", Scrub(trouble, maxTrouble)))
	}
	l.to.LogAttrs(ctx, slog.LevelInfo, "decision", attributes...)
}

// path returns the path of a request target, without query and fragment.
func path(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}

	return Scrub(target, maxPath)
}
