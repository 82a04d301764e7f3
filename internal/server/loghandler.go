// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"log/slog"
)

// Highest numbers of bytes of the texts of a line, after escaping. What slog adds, time, level and punctuation, fits into the rest of
// 2 KiB.
const (
	maxLine      = 1700
	maxMessage   = 1000
	maxAttribute = 512
	// perAttribute is the size of an attribute without its texts: quotation marks, colon and comma.
	perAttribute = 6
)

// LogHandler is a slog.Handler that scrubs every text of every line and passes the line to another handler. It keeps lines below 2 KiB.
// It covers libraries as well, whose errors quote what clients and stores have sent.
type LogHandler struct {
	next slog.Handler
	used int // bytes that WithAttrs and WithGroup have taken
}

// NewLogHandler returns a LogHandler that passes lines to another handler.
func NewLogHandler(next slog.Handler) *LogHandler { return &LogHandler{next: next} }

// Enabled implements slog.Handler.
func (h *LogHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *LogHandler) Handle(ctx context.Context, record slog.Record) error {
	left := room(maxLine - h.used)
	clean := slog.NewRecord(record.Time, record.Level, left.take(record.Message, maxMessage), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		if a, ok := left.attribute(a); ok {
			clean.AddAttrs(a)
		}

		return true
	})

	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h *LogHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	left := room(maxLine - h.used)
	clean := left.attributes(attributes)

	return &LogHandler{next: h.next.WithAttrs(clean), used: maxLine - int(left)}
}

// WithGroup implements slog.Handler.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	left := room(maxLine - h.used)
	name = left.take(name, maxAttribute)

	return &LogHandler{next: h.next.WithGroup(name), used: maxLine - int(left)}
}

// room is the number of bytes that are left of a line.
type room int

// take returns as much of a text as fits.
func (r *room) take(text string, limit int) string {
	text = Scrub(text, min(limit, int(*r)))
	for _, c := range text {
		*r -= room(escaped(c, len(string(c))))
	}

	return text
}

func (r *room) attributes(attributes []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, 0, len(attributes))
	for _, a := range attributes {
		if a, ok := r.attribute(a); ok {
			clean = append(clean, a)
		}
	}

	return clean
}

// attribute returns an attribute that is safe to log; false: it does not fit. A value that is neither a number nor a time becomes a text.
func (r *room) attribute(a slog.Attr) (slog.Attr, bool) {
	if *r <= perAttribute {
		return slog.Attr{}, false
	}
	*r -= perAttribute
	value := a.Value.Resolve()
	key := r.take(a.Key, maxAttribute)
	switch value.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: key, Value: slog.GroupValue(r.attributes(value.Group())...)}, true
	case slog.KindString:
		return slog.String(key, r.take(value.String(), maxAttribute)), true
	case slog.KindAny, slog.KindLogValuer:
		return slog.String(key, r.take(fmt.Sprint(value.Any()), maxAttribute)), true
	default:
		*r -= room(len(value.String()))

		return slog.Attr{Key: key, Value: value}, true
	}
}
