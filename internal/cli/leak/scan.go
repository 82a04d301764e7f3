// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package leak finds API keys in any amount of text, by their format and checksum.
//
// A text with the shape of a key is one only if its checksum matches, so there are no false positives to look through: a random
// text of that shape matches once in four billion. The scanner holds one chunk of the text, whatever the length of the text is.
package leak

import (
	"bytes"
	"errors"
	"io"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// chunkSize is how much is read at a time. It fits into the cache of a processor core, because each chunk is searched several times.
const chunkSize = 256 << 10

// Found is an occurrence of a key. It holds the digest, so that a report cannot leak the key once more.
type Found struct {
	Digest keys.Digest
	// Line counts from 1.
	Line int64
	// Offset is how many bytes precede the key.
	Offset int64
}

// Scan calls found with every key in the text, in no particular order within a quarter of a mebibyte. An error of found ends the
// scan. It returns how many bytes were read.
func Scan(text io.Reader, found func(Found) error) (int64, error) {
	s := scanner{found: found, line: 1, buf: make([]byte, keys.MaxLength+chunkSize)}
	for {
		n, err := io.ReadAtLeast(text, s.buf[s.held:], 1)
		s.read += int64(n)
		if failed := s.search(s.buf[:s.held+n]); failed != nil {
			return s.read, failed
		}
		if errors.Is(err, io.EOF) {
			return s.read, nil
		}
		if err != nil {
			return s.read, err
		}
		s.keep(s.buf[:s.held+n])
	}
}

// scanner is the state of a scan between two chunks.
type scanner struct {
	found func(Found) error
	buf   []byte
	held  int   // bytes at the start of buf that were searched already, and may be the beginning of a key
	read  int64 // bytes so far
	line  int64 // of the first byte of buf
}

// search finds the keys in what was read that do not lie wholly in what was searched before.
func (s *scanner) search(text []byte) error {
	for _, marker := range markers() {
		line, counted := s.line, 0
		for from := 0; ; {
			at := bytes.Index(text[from:], marker)
			if at < 0 {
				break
			}
			at += from
			from = at + 1
			end := at + len(marker) + keys.TailLength
			if end > len(text) || end <= s.held {
				continue // not here yet, or found before
			}
			begin, isKey := keyBefore(text, at, end)
			if !isKey {
				continue
			}
			line += int64(bytes.Count(text[counted:begin], []byte{'\n'}))
			counted = begin
			if err := s.found(Found{
				Digest: keys.DigestOf(string(text[begin:end])),
				Line:   line,
				Offset: s.read - int64(len(text)-begin),
			}); err != nil {
				return err
			}
		}
	}

	return nil
}

// keep moves the end of the text, which may be the beginning of a key, to the start of the buffer.
func (s *scanner) keep(text []byte) {
	s.held = min(len(text), keys.MaxLength-1)
	done := len(text) - s.held
	s.line += int64(bytes.Count(text[:done], []byte{'\n'}))
	copy(s.buf, text[done:])
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

// markers are what every key has behind its prefix.
func markers() [][]byte {
	var all [][]byte
	for _, code := range keys.EnvironmentCodes() {
		all = append(all, []byte("_"+code+"_"))
	}

	return all
}
