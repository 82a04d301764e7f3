// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Redacted is what a Key prints as, whatever prints it.
const Redacted = "[redacted]"

// Key is the plaintext of an API key. It prints as Redacted under every fmt verb, slog, logr, JSON, text and YAML.
// The only way to the plaintext is Reveal. The zero value is no key.
type Key struct {
	// A pointer, because fmt does not call the methods of an unexported field but prints what it finds there:
	// inside somebody's struct it finds an address.
	plain *string
}

// Reveal returns the plaintext, for the Secret that holds it and for nothing else.
func (k Key) Reveal() string {
	if k.IsZero() {
		return ""
	}

	return *k.plain
}

// IsZero says whether this is no key.
func (k Key) IsZero() bool { return k.plain == nil }

// Digest is the digest of the whole key.
func (k Key) Digest() Digest { return DigestOf(k.Reveal()) }

// Scrub takes the key, plain and in the base64 in which a Secret carries it, out of a text that another program wrote,
// such as the message of an admission plugin that quotes what it refused.
func (k Key) Scrub(text string) string {
	if k.IsZero() {
		return text
	}
	for _, form := range spellings(*k.plain) {
		text = strings.ReplaceAll(text, form, Redacted)
	}

	return text
}

// Format implements fmt.Formatter, which wins over every verb, also %#v, %x and %q.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON, XML and map keys use.
func (k Key) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalYAML implements the Marshaler of the YAML libraries.
func (k Key) MarshalYAML() (any, error) { return Redacted, nil }

// MarshalLog implements logr.Marshaler.
func (k Key) MarshalLog() any { return Redacted }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(Redacted) }
