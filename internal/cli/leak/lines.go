// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak

// after returns the place of the base64 character that follows the one at a place, on its line or the next; -1: there is none.
func after(text []byte, at int, style breakStyle) int {
	at++
	if at < len(text) && text[at] == '\r' {
		at++
	}
	if at < len(text) && text[at] == '\n' {
		at++
		if style == patch && at < len(text) && isSign(text[at]) {
			at++
		}
		at += indentAfter(text[at:])
	}

	return placeOf(text, at)
}

// placeOf returns a place if there is a base64 character, and -1 otherwise.
func placeOf(text []byte, at int) int {
	if at < 0 || at >= len(text) || valueOf(text[at]) == invalid {
		return -1
	}

	return at
}

// indentAfter returns how many blanks a text begins with.
func indentAfter(text []byte) int {
	blanks := 0
	for blanks < min(len(text), maxIndent) && isBlank(text[blanks]) {
		blanks++
	}

	return blanks
}

// indentBefore returns how many blanks a text ends with.
func indentBefore(text []byte) int {
	blanks := 0
	for blanks < min(len(text), maxIndent) && isBlank(text[len(text)-1-blanks]) {
		blanks++
	}

	return blanks
}

// before returns the place of the base64 character that precedes the one at a place, on its line or the one before; -1: there is none.
func before(text []byte, at int, style breakStyle) int {
	start := at
	at -= 1 + indentBefore(text[:at])
	if style == patch && at > 0 && isSign(text[at]) && text[at-1] == '\n' {
		at--
	}
	switch {
	case at >= 0 && text[at] == '\n':
		if at--; at >= 0 && text[at] == '\r' {
			at--
		}
	case at != start-1:
		return -1 // blanks within a line
	}

	return placeOf(text, at)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isSign(c byte) bool { return c == '+' || c == '-' }
