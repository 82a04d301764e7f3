// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const (
	// maxIndent is how many blanks may precede a line of base64.
	maxIndent = 64
	// prefixCharacters are how many base64 characters a prefix takes at most, with what it shares a group of four with.
	prefixCharacters = 16
	// maxCharacters is how many base64 characters a key takes at most, with what precedes it.
	maxCharacters = 128
	invalid       = 0xff
)

// breakStyle says what stands between two lines of base64 besides the line break and blanks.
type breakStyle uint8

const (
	// indented lines begin with blanks or with base64.
	indented breakStyle = iota
	// patch lines begin with the sign of a diff, which can also be a base64 character.
	patch
)

func breakStyles() [2]breakStyle { return [...]breakStyle{indented, patch} }

// encodedKey returns the key in base64 around a marker.
func encodedKey(text []byte, at int, m *encodedMarker, style breakStyle) (located, bool) {
	var places [maxCharacters]int
	first := prefixCharacters
	// The characters before the marker, from the last to the first, up to the beginning of a group of four.
	for i := at; first > 0; first-- {
		if i = before(text, i, style); i < 0 {
			break
		}
		places[first-1] = i
	}
	phase := [...]int{0, 2, 3}[m.shift]
	if odd := (prefixCharacters - first - phase) & 3; odd > 0 {
		first += odd
	}
	if prefixCharacters-first < phase {
		return located{}, false
	}
	// The marker itself and what follows it.
	last := prefixCharacters
	for i := at; i >= 0 && last < maxCharacters; last++ {
		places[last] = i
		i = after(text, i, style)
	}

	return decodedKey(text, places[first:last], (prefixCharacters-first-phase)/4*3+m.shift, m.plainLength)
}

// decodedKey returns the key in the characters at these places, whose marker begins at a byte of what they encode.
func decodedKey(text []byte, places []int, separator, markerLength int) (located, bool) {
	var plain [maxCharacters]byte
	var bits uint32
	length := 0
	for i, place := range places {
		bits = bits<<6 | uint32(valueOf(text[place]))
		if i&3 > 0 {
			plain[length] = byte(bits >> (6 - 2*(i&3))) //nolint:gosec // G115: the higher bits belong to the byte before
			length++
		}
	}
	end := separator + markerLength + keys.TailLength
	if end > length {
		return located{}, false // cut short, or not here yet
	}
	begin, isKey := keyBefore(plain[:length], separator, end)
	if !isKey {
		return located{}, false
	}

	return located{keys.DigestOf(string(plain[begin:end])), places[begin*8/6], places[(end*8-1)/6] + 1}, true
}

// valueOf returns what a base64 character of either alphabet stands for.
func valueOf(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+', c == '-':
		return 62
	case c == '/', c == '_':
		return 63
	default:
		return invalid
	}
}

// minRun is how many base64 characters without a gap make a text worth decoding. A key takes more than twice as many, and lines of base64
// are longer.
const minRun = 32

// searchEncoded finds the keys in base64. Most text is searched for gaps between words alone.
func (s *scanner) searchEncoded(text []byte) error {
	for begin := 0; begin+minRun <= len(text); {
		gap := begin + minRun - 1
		for gap >= begin && s.isBase64[text[gap]] {
			gap--
		}
		if gap >= begin {
			begin = gap + 1

			continue
		}
		end := begin + minRun
		for end < len(text) && s.isBase64[text[end]] {
			end++
		}
		if err := s.searchRun(text, begin, end); err != nil {
			return err
		}
		begin = end + 1
	}

	return nil
}

// searchRun finds the keys whose marker lies in a run of base64 characters, or begins in it and goes on in the next line.
func (s *scanner) searchRun(text []byte, begin, end int) error {
	for from := begin; ; {
		at, resume, m := s.encoded.next(text[:end], from)
		if m == nil {
			break
		}
		from = resume
		for _, style := range breakStyles() {
			if key, isKey := encodedKey(text, at, m, style); isKey {
				if err := s.report(text, key); err != nil {
					return err
				}

				break
			}
		}
	}
	for _, style := range breakStyles() {
		if found, err := s.searchBreak(text, end-1, style); err != nil || found {
			return err
		}
	}

	return nil
}

// searchBreak finds the key whose marker goes on behind the base64 character that ends a line.
func (s *scanner) searchBreak(text []byte, last int, style breakStyle) (bool, error) {
	const side = 7 // a character less than the longest marker
	next := after(text, last, style)
	if next < 0 || style == patch && !isSign(text[next-1]) && !isBlank(text[next-1]) {
		return false, nil // the end, or the same as indented
	}
	var joined [2 * side]byte
	copy(joined[:], text[last+1-side:last+1])
	end := side
	for ; next >= 0 && end < len(joined); next = after(text, next, style) {
		joined[end] = text[next]
		end++
	}
	for from := 0; ; {
		begin, resume, m := s.encoded.next(joined[:end], from)
		if m == nil {
			return false, nil
		}
		from = resume
		if begin >= side || begin+len(m.text) <= side {
			continue // not broken
		}
		if key, isKey := encodedKey(text, last+1-side+begin, m, style); isKey {
			return true, s.report(text, key)
		}
	}
}
