// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Generator draws keys. The zero value uses DefaultPrefix and crypto/rand.
type Generator struct {
	// Prefix begins every key; "" means DefaultPrefix. See CheckPrefix.
	Prefix string
	// Random is the source of the secret part; nil means crypto/rand.
	Random io.Reader
}

// New draws a key for an environment. It returns an error if the prefix or the environment is not valid, or if Random fails.
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

// appendBase62 appends n characters that are uniform over the alphabet. It draws six random bits for each and draws again for the two
// of 64 values that stand for no character: a remainder would make some characters more likely than others.
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
