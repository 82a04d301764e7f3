// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/sha256"
	"encoding/base64"
)

// IDLength is how many characters of a digest name a key: 72 bits, enough that two keys never share them by chance.
const IDLength = 12

// Digest is SHA-256 (FIPS 180-4) over a whole key: what the cluster stores in its place.
//
// A slow hash would protect guessable input; the input has 256 bits, and a slow hash in front of every request
// is a way to take the verifier down.
type Digest [sha256.Size]byte

// DigestOf is the digest of a text as it stands, also of one that is no key. That of a key allocates nothing.
func DigestOf(text string) Digest {
	if len(text) > MaxLength {
		return sha256.Sum256([]byte(text))
	}
	var buf [MaxLength]byte

	return sha256.Sum256(buf[:copy(buf[:], text)])
}

// ParseDigest reads what String writes.
func ParseDigest(text string) (Digest, bool) {
	var d Digest
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return Digest{}, false
	}
	copy(d[:], raw)

	return d, true
}

// String is the digest in base64url without padding (RFC 4648, section 5): 43 characters.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// ID is the first 12 characters of String: what status, logs and headers call a key.
func (d Digest) ID() string { return d.String()[:IDLength] }
