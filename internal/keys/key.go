// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"fmt"
	"io"
	"log/slog"
)

// Key is the plaintext of an API key. It prints as Redacted under every fmt verb and in slog, logr, JSON, text and YAML.
// Only Reveal returns the plaintext. The zero value is no key.
type Key struct {
	// plain is a pointer because fmt does not call the methods of an unexported field: inside another struct it prints an address.
	plain *string
}

// Reveal returns the plaintext. Only the Secret of the key may receive it.
func (k Key) Reveal() string {
	if k.IsZero() {
		return ""
	}

	return *k.plain
}

// IsZero reports whether k is the zero value, which is no key.
func (k Key) IsZero() bool { return k.plain == nil }

// Digest returns the digest of the whole key.
func (k Key) Digest() Digest { return DigestOf(k.Reveal()) }

// Format implements fmt.Formatter, which fmt prefers for every verb, including %#v, %x and %q.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON, XML and map keys use.
func (k Key) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalYAML implements the Marshaler of the YAML libraries.
func (k Key) MarshalYAML() (any, error) { return Redacted, nil }

// MarshalLog implements logr.Marshaler.
func (k Key) MarshalLog() any { return Redacted }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(Redacted) }
