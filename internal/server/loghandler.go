// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"log/slog"
)

// How many bytes the texts of a line have at most, escaped. What slog adds, time, level and punctuation, fits in the rest of 2 KiB.
const (
	maxLine      = 1700
	maxMessage   = 1000
	maxAttribute = 512
	// perAttribute is what an attribute takes beside its texts: quotation marks, colon and comma.
	perAttribute = 6
)

// LogHandler is a slog.Handler before another one. It scrubs every text of every line, whoever has written it, and keeps
// lines below 2 KiB: errors of libraries quote what clients and stores have sent.
type LogHandler struct {
	next slog.Handler
	used int // bytes that WithAttrs and WithGroup have taken
}

// NewLogHandler makes a LogHandler before another handler.
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

// room is how many bytes are left of a line.
type room int

// take is as much of a text as there is room for.
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

// attribute is an attribute as it can be logged; false: there is no room for it. What is neither a number nor a time becomes a text.
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
