// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import "strings"

// redactedFrom is how many characters after the environment make a text look like a key, or like most of one.
const redactedFrom = 20

// Redact takes out of a text whatever may be a key, also one that is cut short or has a wrong character,
// so that the text can be logged. A text without a key is returned as it is.
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

// findKey is where the first thing that looks like a key begins and ends.
func findKey(text string) (begin, end int, found bool) {
	for from := 0; ; {
		at := strings.IndexByte(text[from:], separator)
		if at < 0 {
			return 0, 0, false
		}
		at += from
		from = at + 1
		env, random, _ := strings.Cut(text[from:], string(separator))
		if env != "prod" && env != "stg" && env != "dev" {
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

		return begin, from + len(env) + 1 + length, true
	}
}
