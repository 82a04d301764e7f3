// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Generator draws keys. The zero value uses DefaultPrefix and the system's randomness.
type Generator struct {
	// Prefix begins every key; empty: DefaultPrefix. See CheckPrefix.
	Prefix string
	// Random is where the secret part comes from; nil: crypto/rand.
	Random io.Reader
}

// New draws a key for an environment. It fails when the prefix or the environment is not one of ours,
// or when the source of randomness does.
func (g Generator) New(env v1alpha1.Environment) (Key, error) {
	prefix := g.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if err := CheckPrefix(prefix); err != nil {
		return Key{}, err
	}
	code := environmentCode(env)
	if code == "" {
		return Key{}, fmt.Errorf("environment %q: must be %s, %s or %s", env,
			v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment)
	}
	random := g.Random
	if random == nil {
		random = rand.Reader
	}

	plain := make([]byte, 0, MaxLength)
	plain = append(plain, prefix...)
	plain = append(plain, separator)
	plain = append(plain, code...)
	plain = append(plain, separator)
	plain, err := appendBase62(plain, random, secretLength)
	if err != nil {
		return Key{}, fmt.Errorf("draw a key: %w", err)
	}
	sum := checksum(string(plain))
	text := string(append(plain, sum[:]...))

	return Key{plain: &text}, nil
}

// appendBase62 appends n characters that are uniform over the alphabet. Of the 64 values of six random bits
// the two that stand for no character are drawn again: a remainder would make some characters likelier than others.
func appendBase62(dst []byte, random io.Reader, n int) ([]byte, error) {
	var buf [64]byte
	for want := len(dst) + n; ; {
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return nil, err
		}
		for _, b := range buf {
			if b &= 63; int(b) < len(alphabet) {
				dst = append(dst, alphabet[b])
			}
			if len(dst) == want {
				return dst, nil
			}
		}
	}
}
