// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const (
	// maxLine bounds a line of a backup. etcd stores at most 1.5 MiB for an object, and a line has two of them, the Secret in base64.
	maxLine = 4 << 20
	// MaxBytes bounds a backup. One APIKey takes about 3 KiB.
	MaxBytes = 1 << 30
)

// Archive is a backup that was read to its end. It keeps the lines of APIKeys as they were read, which take a third of the memory.
type Archive struct {
	Header   Header
	Roles    []Role
	Policies []Policy
	entries  [][]byte
}

// Read reads a backup to its end. It returns an error for text that is not a whole backup of this version, and checks no key.
func Read(r io.Reader) (*Archive, error) {
	limited := &io.LimitedReader{R: r, N: MaxBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, bufio.MaxScanTokenSize), maxLine)
	a := &Archive{}
	ended := false
	number := 0
	for ; lines.Scan(); number++ {
		if ended {
			return nil, fmt.Errorf("line %d of the backup stands behind its end: the file was changed", number+1)
		}
		var err error
		if ended, err = a.add(number, lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d of the backup: %w", number+1, err)
		}
	}
	switch err := lines.Err(); {
	case limited.N == 0:
		return nil, fmt.Errorf("the backup is larger than %d MiB: back up the namespaces one by one", MaxBytes>>20)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d of the backup is longer than %d MiB, which no APIKey with its Secret is", number+1, maxLine>>20)
	case err != nil:
		return nil, fmt.Errorf("read the backup: %w", err)
	case number == 0:
		return nil, errors.New("the backup is empty")
	case !ended:
		return nil, errors.New("the backup ends early, so a part of it is missing: make another, or find the whole file")
	default:
		return a, nil
	}
}

// add adds a line, and reports whether it is the last one.
func (a *Archive) add(number int, text []byte) (bool, error) {
	l, err := decode(text)
	if err != nil {
		return false, err
	}
	if (number == 0) != (l.Header != nil) {
		return false, errors.New("the first line, and no other, says that this is a backup: this file was changed, or is something else")
	}
	switch {
	case l.Header != nil && l.Header.Version != Version:
		return false, fmt.Errorf("it has version %d of the format, and this program reads version %d: use the program that wrote it, of version %q",
			l.Header.Version, Version, l.Header.Writer)
	case l.Header != nil:
		a.Header = *l.Header
	case l.APIKey != nil:
		a.entries = append(a.entries, bytes.Clone(text))
	case l.Role != nil:
		a.Roles = append(a.Roles, *l.Role)
	case l.Policy != nil:
		a.Policies = append(a.Policies, *l.Policy)
	case l.End != nil:
		if counted := a.Counts(); *l.End != counted {
			return false, fmt.Errorf("it counts %+v, and the file has %+v: lines are missing, or were added", *l.End, counted)
		}

		return true, nil
	default:
		return false, errors.New("it has neither an APIKey nor a role nor a policy")
	}

	return false, nil
}

// Counts returns how many objects the backup holds.
func (a *Archive) Counts() Counts {
	return Counts{APIKeys: len(a.entries), Roles: len(a.Roles), Policies: len(a.Policies)}
}

// Namespaces returns the names of the namespaces that the backup has APIKeys of.
func (a *Archive) Namespaces() []string {
	found := map[string]bool{}
	for e := range a.Entries() {
		found[e.APIKey.Namespace] = true
	}

	return slices.Sorted(maps.Keys(found))
}

// Entries returns the APIKeys of a backup. It decodes each anew.
func (a *Archive) Entries() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, text := range a.entries {
			l, err := decode(text)
			if err != nil { // it was decoded before
				return
			}
			if !yield(&Entry{APIKey: *l.APIKey, Secret: l.Secret}) {
				return
			}
		}
	}
}

// decode decodes a line. An unknown field is an error: a newer program wrote it, and its meaning must not get lost.
func decode(text []byte) (line, error) {
	var l line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return line{}, errors.New(keys.Redact(err.Error()))
	}
	if decoder.More() {
		return line{}, errors.New("it has more than one value")
	}
	fields := 0
	for _, set := range []bool{l.Header != nil, l.APIKey != nil, l.Role != nil, l.Policy != nil, l.End != nil} {
		if set {
			fields++
		}
	}
	if fields > 1 || l.Secret != nil && l.APIKey == nil {
		return line{}, errors.New("it has more than one object")
	}

	return l, nil
}
