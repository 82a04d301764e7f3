// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package leak finds API keys in any amount of text, by their format and checksum.
//
// A text with the shape of a key is one only if its checksum matches, so there are no false positives to look through: a random
// text of that shape matches once in four billion. The scanner holds one chunk of the text, whatever the length of the text is.
//
// It finds keys as they are, and in base64 of either alphabet (RFC 4648, sections 4 and 5), as in the data of a Secret, at every
// alignment and broken into lines. It searches neither compressed nor encrypted text, and decodes base64 once.
package leak

import (
	"bytes"
	"errors"
	"io"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// chunkSize is how much is read at a time. It fits into the cache of a processor core.
const chunkSize = 256 << 10

// overlap is how much of the text before a chunk stays in the buffer: more than any key takes, also in base64 with line breaks.
const overlap = 1 << 10

// Found is an occurrence of a key. It holds the digest, so that a report cannot leak the key once more.
type Found struct {
	Digest keys.Digest
	// Line counts from 1.
	Line int64
	// Offset is how many bytes precede the key, or the first base64 character that holds a part of it.
	Offset int64
}

// Scan calls found with every key in the text, in no particular order within a quarter of a mebibyte. An error of found ends the
// scan. It returns how many bytes were read.
func Scan(text io.Reader, found func(Found) error) (int64, error) {
	s := scanner{found: found, line: 1, buf: make([]byte, overlap+chunkSize), encoded: newEncodedMarkers()}
	for c := range s.isBase64 {
		s.isBase64[c] = valueOf(byte(c)) != invalid
	}
	for {
		n, err := io.ReadFull(text, s.buf[s.held:])
		s.read += int64(n)
		if failed := s.search(s.buf[:s.held+n]); failed != nil {
			return s.read, failed
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return s.read, nil
		case err != nil:
			return s.read, err
		}
		s.keep(s.buf[:s.held+n])
	}
}

// scanner is the state of a scan between two chunks.
type scanner struct {
	found   func(Found) error
	encoded *encodedMarkers
	// isBase64 holds the characters of both alphabets.
	isBase64 [256]bool
	buf      []byte
	held     int   // bytes at the start of buf that were searched already, and may be the beginning of a key
	read     int64 // bytes so far
	line     int64 // of the first byte of buf
	counted  int   // bytes at the start of buf whose line breaks are in line
}

// search finds the keys in what was read that do not lie wholly in what was searched before.
func (s *scanner) search(text []byte) error {
	s.counted = 0
	for _, marker := range plainMarkers() {
		for from := 0; ; {
			at := bytes.Index(text[from:], marker)
			if at < 0 {
				break
			}
			at += from
			from = at + 1
			end := at + len(marker) + keys.TailLength
			if end > len(text) {
				break // not here yet
			}
			if begin, isKey := keyBefore(text, at, end); isKey {
				if err := s.report(text, located{keys.DigestOf(string(text[begin:end])), begin, end}); err != nil {
					return err
				}
			}
		}
	}

	return s.searchEncoded(text)
}

// located is a key, and the part of the text that it takes.
type located struct {
	digest     keys.Digest
	begin, end int
}

// report calls found, unless the key was found in the chunk before.
func (s *scanner) report(text []byte, key located) error {
	if key.end <= s.held {
		return nil
	}

	return s.found(Found{
		Digest: key.digest,
		Line:   s.lineOf(text, key.begin),
		Offset: s.read - int64(len(text)-key.begin),
	})
}

// lineOf returns the line of a place in the buffer. It counts on from the place before, because most places follow one another.
func (s *scanner) lineOf(text []byte, at int) int64 {
	if at >= s.counted {
		s.line += int64(bytes.Count(text[s.counted:at], []byte{'\n'}))
	} else {
		s.line -= int64(bytes.Count(text[at:s.counted], []byte{'\n'}))
	}
	s.counted = at

	return s.line
}

// keep moves the end of the text, which may be the beginning of a key, to the start of the buffer.
func (s *scanner) keep(text []byte) {
	s.held = min(len(text), overlap)
	s.lineOf(text, len(text)-s.held)
	copy(s.buf, text[len(text)-s.held:])
}

// keyBefore returns where the key begins that ends at end and whose prefix ends at separator. Letters that precede a key without a
// gap, such as the n of "\n" in JSON, look like its prefix; the checksum tells where the prefix begins.
func keyBefore(text []byte, separator, end int) (begin int, isKey bool) {
	if !keys.IsBase62(text[end-1]) { // most other text ends here
		return 0, false
	}
	for begin = separator - 1; begin >= 0 && begin >= separator-keys.MaxPrefixLength; begin-- {
		if c := text[begin]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return 0, false
		}
		if keys.Check(string(text[begin:end])) == nil {
			return begin, true
		}
	}

	return 0, false
}
