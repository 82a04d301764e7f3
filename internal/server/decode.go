// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting is how many encodings are decoded that lie in one another, in any mixture.
const maxNesting = 16

// decode decodes a text until nothing in it can be decoded any more. If it cannot be decoded to the end, decode returns the part
// before the trouble, and false.
func decode(text string) (decoded string, whole bool) {
	for range maxNesting {
		before := text
		text = strings.Map(halfWidth, escape.ReplaceAllStringFunc(text, unescape))
		if text == before {
			text = html.UnescapeString(text) // entities without a semicolon come last: it may have been encoded
		}
		if text == before {
			return decodable(text)
		}
	}

	return "", false
}

// decodable returns a decoded text, or the part of it before a '%' that begins no escape or a byte that is not UTF-8.
func decodable(text string) (before string, whole bool) {
	for at, r := range text {
		if r == '%' || r == utf8.RuneError {
			return beforeLastToken(text[:at]), false
		}
	}

	return text, true
}

// escape finds the escapes %uXXXX, %XX, \uXXXX, \xXX and \NNN, and entities.
var escape = regexp.MustCompile(`[%\\]u[0-9A-Fa-f]{4}|(?:%|\\x)[0-9A-Fa-f]{2}|\\[0-3][0-7]{2}|&#?[0-9A-Za-z]+;`)

// unescape returns the character or the byte that an escape stands for.
func unescape(escape string) string {
	if escape[0] == '&' {
		return html.UnescapeString(escape)
	}
	digits, base := strings.TrimLeft(escape, `%\ux`), 16
	if len(digits) == 3 {
		base = 8
	}
	number, err := strconv.ParseUint(digits, base, 16)
	switch {
	case err != nil:
		return escape
	case len(digits) == 4:
		return string(rune(number))
	default:
		return string([]byte{byte(number)}) //nolint:gosec // G115: two digits, or three of which the first is at most 3
	}
}

// halfWidth returns the usual form of a character of full width (U+FF01 to U+FF5E).
func halfWidth(r rune) rune {
	const first, last, offset = '\uff01', '\uff5e', 0xfee0
	if r < first || r > last {
		return r
	}

	return r - offset
}
