// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// maxDecodings is how often HTML entities without a semicolon are decoded at most. Other encodings need no such limit: any
// nesting of them is decoded in one pass.
const maxDecodings = 16

// decode decodes a text until nothing in it can be decoded any more. If it cannot be decoded to the end, decode returns what
// comes before the part with the trouble, and false.
func decode(text string) (decoded string, whole bool) {
	for range maxDecodings {
		before := text
		// Entities without a semicolon come last: it may still be encoded.
		text = html.UnescapeString(unescape(text))
		if text == before {
			return decodable(text)
		}
	}

	return "", false
}

// decodable is a decoded text, or the part of it before what begins an escape and is none, or is not UTF-8.
func decodable(text string) (before string, whole bool) {
	for at, r := range text {
		if r == '%' || r == utf8.RuneError {
			return beforeLastToken(text[:at]), false
		}
	}

	return text, true
}

// escape is a way to write a character: a prefix, and a number of digits.
type escape struct {
	prefix        string
	digits        int
	base, maximum rune
}

// escapes are those that unescape decodes. No escape has the first character of another one in its middle, so that the order
// in which a text is decoded does not matter.
func escapes() [5]escape {
	return [...]escape{
		{`%`, 2, 16, 0xff},
		{`%u`, 4, 16, 0xffff},
		{`\x`, 2, 16, 0xff},
		{`\u`, 4, 16, 0xffff},
		{`\`, 3, 8, 0xff},
	}
}

// unescape decodes every escape, entity and character of full width, also those that only come to be by decoding: %2525255f
// is an underscore. Each byte is added to the text before it, and decoded with it where both are an escape.
func unescape(text string) string {
	forms := escapes()
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		out = append(out, text[i])
		for shorter, ok := reduce(out, &forms); ok; shorter, ok = reduce(out, &forms) {
			out = shorter
		}
	}

	return string(out)
}

// reduce decodes the end of a text; false: there is nothing to decode.
func reduce(text []byte, forms *[5]escape) ([]byte, bool) {
	for i := range forms {
		if shorter, ok := forms[i].reduce(text); ok {
			return shorter, true
		}
	}
	if shorter, ok := reduceEntity(text); ok {
		return shorter, true
	}

	return reduceFullWidth(text)
}

// longestEntity is how long an entity is at most, with room for zeros before its number.
const longestEntity = 48

// reduceEntity decodes an HTML entity at the end of a text.
func reduceEntity(text []byte) ([]byte, bool) {
	if text[len(text)-1] != ';' {
		return nil, false
	}
	from := max(0, len(text)-longestEntity)
	at := bytes.LastIndexByte(text[from:], '&')
	if at < 0 {
		return nil, false
	}
	entity := string(text[from+at:])
	decoded := html.UnescapeString(entity)
	if len(decoded) >= len(entity) || strings.HasSuffix(decoded, ";") && decoded != ";" {
		return nil, false
	}

	return append(text[:from+at], decoded...), true
}

// reduceFullWidth replaces a character of full width (U+FF01 to U+FF5E) at the end of a text by the usual one.
func reduceFullWidth(text []byte) ([]byte, bool) {
	const first, last, offset = '\uff01', '\uff5e', 0xfee0
	begin := len(text) - utf8.RuneLen(first)
	if begin < 0 {
		return nil, false
	}
	r, length := utf8.DecodeRune(text[begin:])
	if length != utf8.RuneLen(first) || r < first || r > last {
		return nil, false
	}

	return append(text[:begin], byte(r-offset)), true
}

// reduce decodes the end of a text.
func (e *escape) reduce(text []byte) ([]byte, bool) {
	begin := len(text) - len(e.prefix) - e.digits
	if begin < 0 || string(text[begin:begin+len(e.prefix)]) != e.prefix {
		return nil, false
	}
	number := rune(0)
	for _, c := range text[begin+len(e.prefix):] {
		digit := digitOf(c)
		if digit >= e.base {
			return nil, false
		}
		number = number*e.base + digit
	}
	switch {
	case number > e.maximum:
		return nil, false
	case e.maximum <= 0xff:
		return append(text[:begin], byte(number)), true
	default:
		return utf8.AppendRune(text[:begin], number), true
	}
}

// digitOf is the value of a hexadecimal digit, and more than that of any for other characters.
func digitOf(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	default:
		return math.MaxInt32
	}
}
