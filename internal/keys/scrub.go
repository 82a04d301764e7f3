// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import "encoding/base64"

// spellings are the forms in which a key can stand in a text: plain, and as base64 of itself, where the padding
// may be missing or the alphabet the one for URLs (RFC 4648, sections 4 and 5).
func spellings(plain string) []string {
	raw := []byte(plain)

	return []string{
		plain,
		base64.StdEncoding.EncodeToString(raw),
		base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw),
	}
}
