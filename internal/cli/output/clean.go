// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package output prints what operations return: tables, objects, and times as people read them.
package output

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns a text from the cluster on one line and without characters that a terminal acts on: control characters,
// invalid UTF-8, and those that change the direction of text. Each is spelled as its escape, such as \u001b.
func Clean(text string) string { return clean(text, false) }

// CleanLines is Clean that keeps line breaks and tabs.
func CleanLines(text string) string { return clean(text, true) }

func clean(text string, lines bool) string {
	if strings.IndexFunc(text, func(r rune) bool { return !harmless(r, lines) }) < 0 {
		return text
	}
	var safe strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			_, _ = fmt.Fprintf(&safe, `\x%02x`, text[i])
		case harmless(r, lines):
			safe.WriteRune(r)
		default:
			_, _ = fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}

	return safe.String()
}

// harmless reports whether a terminal shows a character and does nothing else. The joiners of emoji and of Persian
// are letters to people, so admission allows them in names.
func harmless(r rune, lines bool) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	switch r {
	case zeroWidthNonJoiner, zeroWidthJoiner:
		return true
	case '\n', '\t':
		return lines
	case utf8.RuneError:
		return false
	default:
		return unicode.IsPrint(r)
	}
}

// CleanWriter returns a writer that cleans the lines that are written to it, for output whose layout another package makes.
// It expects whole characters: each printer of cli-runtime writes whole objects.
func CleanWriter(w io.Writer) io.Writer { return cleanWriter{w} }

type cleanWriter struct{ to io.Writer }

// Write implements io.Writer.
func (c cleanWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(c.to, CleanLines(string(p))); err != nil {
		return 0, err
	}

	return len(p), nil
}
