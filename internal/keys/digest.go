// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/sha256"
	"encoding/base64"
)

// IDLength is how many characters of a digest identify a key: 72 bits, so two keys do not share an ID by chance.
const IDLength = 12

// Digest is SHA-256 (FIPS 180-4) of a whole key. The cluster stores it instead of the key.
//
// A slow hash protects input that can be guessed. A key has 256 random bits, and a slow hash before every request would let
// clients overload the verifier.
type Digest [sha256.Size]byte

// DigestOf returns the digest of any text. For a text no longer than a key it allocates nothing.
func DigestOf(text string) Digest {
	if len(text) > MaxLength {
		return sha256.Sum256([]byte(text))
	}
	var buf [MaxLength]byte

	return sha256.Sum256(buf[:copy(buf[:], text)])
}

// ParseDigest parses the result of String.
func ParseDigest(text string) (Digest, bool) {
	var d Digest
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return Digest{}, false
	}
	copy(d[:], raw)

	return d, true
}

// String returns the digest in base64url without padding (RFC 4648, section 5): 43 characters.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// ID returns the first 12 characters of String, which identify a key in status, logs and headers.
func (d Digest) ID() string { return d.String()[:IDLength] }
