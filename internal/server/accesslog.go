// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// maxLogged is how many bytes of each of a client's strings are logged.
const maxLogged = 512

// maxDecodings is how many times a path is decoded at most.
const maxDecodings = 4

// accessLog writes a line for each request that was refused, and for one in so many that were allowed.
type accessLog struct {
	to      *slog.Logger
	allowed uint64
	count   atomic.Uint64
}

// write writes the line of a decision. What the client sent is logged only where it cannot be a key.
func (l *accessLog) write(ctx context.Context, request *Request, answer *Answer, took time.Duration) {
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
		slog.String("environment", string(request.Needs.known())),
		slog.String("permission", clean(string(request.Needs.permission))),
		slog.String("customer", clean(string(request.Needs.customer))),
		slog.String("method", clean(request.Method)),
		slog.String("host", clean(request.Host)),
		slog.String("path", path(request.Path)),
		slog.Float64("latency_seconds", took.Seconds()))
	if trouble := request.Needs.trouble(); trouble != "" {
		attributes = append(attributes, slog.String("trouble", clean(trouble)))
	}
	l.to.LogAttrs(ctx, slog.LevelInfo, "decision", attributes...)
}

// path is that of a request target, without query and fragment. It is decoded first, more than once where it was encoded
// more than once, so that a key in it is found.
func path(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	for range maxDecodings {
		decoded, err := url.PathUnescape(target)
		if err != nil || decoded == target {
			break
		}
		target = decoded
	}

	return clean(target)
}

// clean is a client's string as it can be logged.
func clean(s string) string { return short(keys.Redact(s)) }

// short is the beginning of a string.
func short(s string) string { return s[:min(len(s), maxLogged)] }
