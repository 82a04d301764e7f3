// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// windowLength is the length of the part of each encoded marker that is searched for: that of the shortest one.
const windowLength = 6

// plainMarkers are what every key has behind its prefix.
func plainMarkers() [][]byte {
	var all [][]byte
	for _, code := range keys.EnvironmentCodes() {
		all = append(all, []byte("_"+code+"_"))
	}

	return all
}

// encodedMarker is what a plain marker becomes in base64.
type encodedMarker struct {
	text []byte
	// plainLength is the length of the plain marker.
	plainLength int
	// shift is how many bytes of a group of three precede the plain marker.
	shift int
	// window is where the part of text begins that is searched for.
	window int
}

// encodedMarkers finds markers in one pass, whatever their number is, by the algorithm of Wu and Manber: the last two bytes of a window
// of the text say how far the next window can be.
type encodedMarkers struct {
	all  []encodedMarker
	skip [1 << 16]uint8
}

// newEncodedMarkers returns the markers in base64 at each alignment. They are the same in both alphabets, because the characters by
// which these differ stand for nothing that a marker holds.
func newEncodedMarkers() *encodedMarkers {
	found := &encodedMarkers{}
	for _, plain := range plainMarkers() {
		for shift := range 3 {
			text := certain(plain, shift)
			found.all = append(found.all, encodedMarker{text: text, plainLength: len(plain), shift: shift, window: len(text) - windowLength})
		}
	}
	for i := range found.skip {
		found.skip[i] = windowLength - 1
	}
	for i := range found.all {
		window := found.all[i].text[found.all[i].window:]
		for end := 2; end <= windowLength; end++ {
			pair := &found.skip[uint16(window[end-2])|uint16(window[end-1])<<8]
			*pair = min(*pair, uint8(windowLength-end))
		}
	}

	return found
}

// certain returns the base64 characters that a text leads to by itself, whatever stands around it, if shift bytes precede it in its group.
func certain(text []byte, shift int) []byte {
	const bitsPerByte, bitsPerCharacter = 8, 6
	around := append(append(make([]byte, shift), text...), 0, 0, 0)
	encoded := base64.StdEncoding.EncodeToString(around)
	first := (bitsPerByte*shift + bitsPerCharacter - 1) / bitsPerCharacter

	return []byte(encoded[first : bitsPerByte*(shift+len(text))/bitsPerCharacter])
}

// next returns the first marker whose window begins at from or later, where it begins, and where the search goes on; nil: there is none.
func (m *encodedMarkers) next(text []byte, from int) (begin, resume int, found *encodedMarker) {
	for at := from + windowLength - 2; at+1 < len(text); {
		if skip := m.skip[uint16(text[at])|uint16(text[at+1])<<8]; skip > 0 {
			at += int(skip)

			continue
		}
		window := at + 2 - windowLength
		for i := range m.all {
			found := &m.all[i]
			if begin := window - found.window; begin >= 0 && bytes.HasPrefix(text[begin:], found.text) {
				return begin, window + 1, found
			}
		}
		at++
	}

	return 0, 0, nil
}

// EncodedPattern returns a regular expression that matches a part of every key in base64, for programs that know patterns alone. Most
// matches are of no key.
func EncodedPattern() string {
	var texts []string
	for _, marker := range newEncodedMarkers().all {
		texts = append(texts, string(marker.text))
	}

	return strings.Join(texts, "|")
}
