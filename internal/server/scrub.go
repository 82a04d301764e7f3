// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// maxScrubbed is how many bytes of a string are looked at. The rest is left out before anything is decoded.
const maxScrubbed = 4 << 10

// What stands in the log for text that is left out.
const (
	undecodable = "[not decodable]"
	ellipsis    = "…"
)

// Scrub returns a text that others chose, as it can be logged: decoded to the end, without anything that may be a key, and
// with at most limit bytes once it is escaped as JSON.
//
// It decodes percent-encoding (also %uXXXX), HTML entities, the escapes \xXX, \uXXXX and \NNN, and full-width forms, in any
// nesting and mixture. Text that cannot be decoded to the end is left out from the last '/' or space before it on: a '%'
// that begins no escape, and bytes that are not UTF-8. Another reader could be able to decode it.
func Scrub(text string, limit int) string {
	if isPlain(text) {
		return fit(redactRuns(keys.Redact(text)), limit)
	}
	cut := len(text) > maxScrubbed
	if cut {
		text = beforeLastToken(text[:maxScrubbed])
	}
	decoded, whole := decode(text)
	clean := redactRuns(keys.Redact(decoded))
	switch {
	case !whole:
		clean = fit(clean, limit-len(undecodable)) + undecodable
	case cut:
		clean += ellipsis
	}

	return fit(clean, limit)
}

// isPlain says whether a text holds nothing that has to be decoded.
func isPlain(text string) bool {
	if len(text) > maxScrubbed {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c == '%' || c == '&' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}

	return true
}

// beforeLastToken is a text up to its last '/' or space: what follows may be a part of something.
func beforeLastToken(text string) string { return text[:strings.LastIndexAny(text, "/ \t\r\n")+1] }

// Lengths from which on a run of letters and digits is taken for a secret whose prefix was lost, or for a part of one.
const (
	prefixedRun = 6  // after the prefix of a key: of more than small letters
	mixedRun    = 20 // of small letters, capitals and digits
	anyRun      = 43 // of letters and digits, unless it is a hexadecimal number
)

// redactRuns takes out of a text the long runs of letters and digits that are no words: a key without its prefix, in other
// letters, in base64, or with a wrong byte in it.
func redactRuns(text string) string {
	var clean strings.Builder
	done := 0
	for begin := 0; begin < len(text); begin++ {
		var run classes
		end := begin
		for end < len(text) && run.add(text[end]) {
			end++
		}
		if run.isSecret(end-begin, text[:begin]) {
			clean.WriteString(text[done:begin])
			clean.WriteString(keys.Redacted)
			done = end
		}
		begin = end
	}
	if done == 0 {
		return text
	}
	clean.WriteString(text[done:])

	return clean.String()
}

// classes are the kinds of characters that a run has.
type classes struct{ lower, upper, digit, beyondHex bool }

// add adds a character; false: it is neither a letter nor a digit.
func (k *classes) add(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z':
		k.lower, k.beyondHex = true, k.beyondHex || c > 'f'
	case 'A' <= c && c <= 'Z':
		k.upper, k.beyondHex = true, k.beyondHex || c > 'F'
	case '0' <= c && c <= '9':
		k.digit = true
	default:
		return false
	}

	return true
}

// isSecret says whether a run of this length is left out.
func (k *classes) isSecret(length int, before string) bool {
	switch {
	case length < prefixedRun:
		return false
	case length >= mixedRun && k.lower && k.upper && k.digit, length >= anyRun && k.digit && k.beyondHex:
		return true
	default:
		return (k.upper || k.digit) && endsPrefix(before)
	}
}

// endsPrefix says whether a text ends as the prefix of a key does.
func endsPrefix(text string) bool {
	for _, environment := range []string{"_prod_", "_stg_", "_dev_"} {
		if at := len(text) - len(environment); at >= 0 && strings.EqualFold(text[at:], environment) {
			return true
		}
	}

	return false
}

// fit is as much of a text as is at most limit bytes long in JSON.
func fit(text string, limit int) string {
	limit = max(limit, 0)
	if len(text) <= limit/longestEscape {
		return text
	}
	size, shortened := 0, 0 // shortened: the length at which an ellipsis still fits
	for at := 0; at < len(text); {
		r, length := utf8.DecodeRuneInString(text[at:])
		size += escaped(r, length)
		if size > limit {
			if limit < len(ellipsis) {
				return ""
			}

			return text[:shortened] + ellipsis
		}
		at += length
		if size+len(ellipsis) <= limit {
			shortened = at
		}
	}

	return text
}

// longestEscape is how many bytes an escape in JSON takes at most: \u0000.
const longestEscape = 6

// escaped is how many bytes a character takes in a JSON string of log/slog.
func escaped(r rune, length int) int {
	const lineSeparator, paragraphSeparator = '\u2028', '\u2029'
	switch {
	case r == '"', r == '\\', r == '\n', r == '\r', r == '\t':
		return 2
	case r < ' ', r == 0x7f, r == lineSeparator, r == paragraphSeparator, r == utf8.RuneError && length == 1:
		return longestEscape
	default:
		return length
	}
}

// quoted is a text that others chose, in quotation marks and as it can be logged.
func quoted(text string) string { return strconv.Quote(Scrub(text, maxQuoted)) }
