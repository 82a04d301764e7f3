// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"unsafe"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// DefaultPrefix begins every key unless the operator has another prefix.
	DefaultPrefix = "ak"

	// MaxPrefixLength bounds the cost of a refused credential: Check reads no text longer than MaxLength.
	MaxPrefixLength = 10

	// MaxLength is the length of the longest key: prefix, environment, secret part, checksum and two separators.
	MaxLength = MaxPrefixLength + 1 + 4 + 1 + secretLength + checksumLength

	separator      = '_'
	secretLength   = 43 // 43 base62 characters carry 256 bits: 43 * log2(62) = 256.03
	checksumLength = 6  // 62^6 > 2^32
	alphabet       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// The errors of Check and Parse. They never quote the text, which may be a key with one wrong character.
var (
	ErrShape    = errors.New("not the shape of an API key")
	ErrChecksum = errors.New("the checksum of the API key does not match: a character is wrong or missing")
)

// The environments as a key spells them. The rules of the CRD repeat them, because a marker cannot refer to a constant.
const (
	codeProduction  = "prod"
	codeStaging     = "stg"
	codeDevelopment = "dev"
)

// environmentCode returns how a key spells an environment, or "" for an unknown one.
func environmentCode(env v1alpha1.Environment) string {
	switch env {
	case v1alpha1.EnvironmentProduction:
		return codeProduction
	case v1alpha1.EnvironmentStaging:
		return codeStaging
	case v1alpha1.EnvironmentDevelopment:
		return codeDevelopment
	default:
		return ""
	}
}

// isEnvironmentCode reports whether environmentCode returns a code for some environment.
func isEnvironmentCode(code string) bool {
	return code == codeProduction || code == codeStaging || code == codeDevelopment
}

// CheckPrefix returns an error if keys cannot have the prefix.
func CheckPrefix(prefix string) error {
	if !validPrefix(prefix) {
		return fmt.Errorf("key prefix %q: must be 1 to %d lower-case letters and digits and begin with a letter, such as %q",
			prefix, MaxPrefixLength, DefaultPrefix)
	}

	return nil
}

// Check returns ErrShape or ErrChecksum if a text has not the shape or the checksum of a key.
// It allocates nothing and reads at most MaxLength bytes, so that it can precede every look-up.
// It accepts any prefix, so that keys outlive a change of the operator's prefix.
func Check(text string) error {
	if len(text) > MaxLength {
		return ErrShape
	}
	prefix, rest, found := strings.Cut(text, string(separator))
	if !found || !validPrefix(prefix) {
		return ErrShape
	}
	code, random, found := strings.Cut(rest, string(separator))
	if !found || !isEnvironmentCode(code) || len(random) != secretLength+checksumLength {
		return ErrShape
	}
	if !allBase62(random) {
		return ErrShape
	}
	body := text[:len(text)-checksumLength]
	if sum := checksum(body); string(sum[:]) != text[len(body):] {
		return ErrChecksum
	}

	return nil
}

// Parse returns the Key for a text that passes Check.
func Parse(text string) (Key, error) {
	if err := Check(text); err != nil {
		return Key{}, err
	}

	return Key{plain: &text}, nil
}

// checksum returns the CRC-32 (IEEE 802.3) of body in base62, most significant character first.
func checksum(body string) [checksumLength]byte {
	var sum [checksumLength]byte
	// The bytes are those of the string itself: a copy would go to the heap, and a loop over the CRC table takes four times as long.
	crc := crc32.ChecksumIEEE(unsafe.Slice(unsafe.StringData(body), len(body))) //nolint:gosec // G103: it only reads them
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = alphabet[crc%uint32(len(alphabet))]
		crc /= uint32(len(alphabet))
	}

	return sum
}

func validPrefix(prefix string) bool {
	if len(prefix) == 0 || len(prefix) > MaxPrefixLength || prefix[0] < 'a' || prefix[0] > 'z' {
		return false
	}
	for i := range len(prefix) {
		if c := prefix[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}

	return true
}

// allBase62 looks up every character in a bit set. Comparisons take twice as long, because the branch predictor fails on random text.
func allBase62(text string) bool {
	set := [4]uint64{0x3ff << '0', 0x3ffffff<<('A'-64) | 0x3ffffff<<('a'-64)}
	valid := uint64(1)
	for i := range len(text) {
		valid &= set[text[i]>>6] >> (text[i] & 63)
	}

	return valid == 1
}

func isBase62(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
