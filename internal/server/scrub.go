// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// maxScrubbed is the number of bytes of a string that are examined. The rest is dropped before anything is decoded.
const maxScrubbed = 4 << 10

// What the log has in place of dropped text.
const (
	undecodable = "[not decodable]"
	ellipsis    = "…"
)

// Scrub returns a text from outside in a form that is safe to log: decoded to the end, without anything that may be a key, and with at
// most limit bytes once it is escaped as JSON.
//
// It decodes percent-encoding (also %uXXXX), HTML entities, the escapes \xXX, \uXXXX and \NNN, and full-width forms, in any mixture and
// up to maxNesting in one another. If the text cannot be decoded to the end, because of deeper nesting, a '%' that begins no escape or
// bytes that are not UTF-8, Scrub drops it from the last '/' or space before the trouble on: another reader may be able to decode it.
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

// isPlain reports whether a text has nothing to decode.
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

// beforeLastToken returns a text up to its last '/' or space.
func beforeLastToken(text string) string { return text[:strings.LastIndexAny(text, "/ \t\r\n")+1] }

// Lengths from which on a run of letters and digits counts as a secret without its prefix, or as a part of one.
const (
	prefixedRun = 6  // after the prefix of a key: of more than small letters
	mixedRun    = 20 // of small letters, capitals and digits
	anyRun      = 43 // of letters and digits, unless it is a hexadecimal number
)

// redactRuns redacts the long runs of letters and digits in a text that are no words: a key without its prefix, in another case, in base64,
// or with a wrong byte.
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

// add adds a character. It returns false for a character that is neither a letter nor a digit.
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

// isSecret reports whether a run of this length is redacted.
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

// endsPrefix reports whether a text ends like the prefix of a key.
func endsPrefix(text string) bool {
	for _, environment := range []string{"_prod_", "_stg_", "_dev_"} {
		if at := len(text) - len(environment); at >= 0 && strings.EqualFold(text[at:], environment) {
			return true
		}
	}

	return false
}

// fit returns as much of a text as has at most limit bytes in JSON.
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

// longestEscape is the length of the longest escape in JSON, \u0000.
const longestEscape = 6

// escaped returns the number of bytes of a character in a JSON string of log/slog.
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

// quoted returns a text from outside in quotation marks, safe to log.
func quoted(text string) string { return strconv.Quote(Scrub(text, maxQuoted)) }
