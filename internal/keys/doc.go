// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keys draws, parses and digests API keys, and keeps their plaintext from being printed.
//
// A key is <prefix>_<environment>_<43 base62><6 base62 CRC-32>. The 43 characters are uniform, about 256 bits; the checksum covers
// everything before it. It tells a typing error or a stray token from a key without a look-up, and saves secret scanners false
// positives.
//
// # Plaintext
//
//   - Key holds the text behind a pointer and prints as "[redacted]" under every verb, logger and marshaller. fmt does not call the
//     methods of unexported fields; there it prints an address.
//   - client-go logs the bodies of requests and responses from verbosity 8 on. The operator makes every call for a Secret under a
//     context whose logger discards everything.
//   - A validating policy may quote the Secret that it refuses. Scrub removes the key, plain and in base64, from the error before it
//     reaches a condition, an event or a log.
//   - Package lifecycle records long rotate annotations as digests, and admission refuses key-shaped strings in spec and metadata.
package keys
