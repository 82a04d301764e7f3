// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/base64"
	"strings"
)

// Redacted replaces a key wherever it would be printed.
const Redacted = "[redacted]"

// Scrub replaces this key, plain and in base64 as a Secret carries it, in a text from another program, such as an admission plugin that
// quotes the object it refused.
func (k Key) Scrub(text string) string {
	if k.IsZero() {
		return text
	}
	for _, spelling := range spellings(*k.plain) {
		text = strings.ReplaceAll(text, spelling, Redacted)
	}

	return text
}

// spellings returns the forms in which a key can stand in a text: plain, and in base64 of either alphabet (RFC 4648, sections 4
// and 5), with and without padding.
func spellings(plain string) []string {
	raw := []byte(plain)

	return []string{
		plain,
		base64.StdEncoding.EncodeToString(raw),
		base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw),
	}
}

// redactedFrom is how many base62 characters after the environment make a text look like a key, or like most of one.
const redactedFrom = 20

// Redact replaces every text that may be a key, also a truncated key and a key with a wrong character, so that the result can be
// logged. It returns a text without a key unchanged.
func Redact(text string) string {
	var clean strings.Builder
	for rest := text; ; {
		begin, end, found := findKey(rest)
		if !found {
			if clean.Len() == 0 {
				return text
			}
			clean.WriteString(rest)

			return clean.String()
		}
		clean.WriteString(rest[:begin])
		clean.WriteString(Redacted)
		rest = rest[end:]
	}
}

// findKey returns where the first text that looks like a key begins and ends.
func findKey(text string) (begin, end int, found bool) {
	for from := 0; ; {
		at := strings.IndexByte(text[from:], separator)
		if at < 0 {
			return 0, 0, false
		}
		at += from
		from = at + 1
		code, random, _ := strings.Cut(text[from:], string(separator))
		if !isEnvironmentCode(code) {
			continue
		}
		length := 0
		for length < len(random) && isBase62(random[length]) {
			length++
		}
		if length < redactedFrom {
			continue
		}
		begin = at
		for begin > 0 && isBase62(text[begin-1]) {
			begin--
		}

		return begin, from + len(code) + 1 + length, true
	}
}
