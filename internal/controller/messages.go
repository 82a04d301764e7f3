// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// maxMessage bounds the text of an error in a condition: the note of an event holds 1,024 bytes.
const maxMessage = 800

// minEncodedKey is less than the length of the base64 form of any key, and of most of a key.
const minEncodedKey = 36

// Patterns of text that differs between two failures of the same kind.
var (
	volatileTime     = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?`)
	volatileID       = regexp.MustCompile(`\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b`)
	volatileIPv6     = regexp.MustCompile(`\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%\w+)?\](:\d+)?`)
	volatileIPv4     = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`)
	volatileDuration = regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+\.\d+(ns|µs|us|ms|s)\b`)
)

// encoded matches text that may be the base64 form of a key.
var encoded = regexp.MustCompile(`[A-Za-z0-9+/_-]{36,}`)

// stable returns the text of an error for a condition: one line of bounded length without addresses, times and ids, so that failures of
// the same kind have the same text.
func stable(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = volatileTime.ReplaceAllString(text, "<time>")
	text = volatileID.ReplaceAllString(text, "<id>")
	text = volatileIPv6.ReplaceAllString(text, "<address>")
	text = volatileIPv4.ReplaceAllString(text, "<address>")
	text = volatileDuration.ReplaceAllString(text, "<duration>")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " (cut)"
	}

	return text
}

// redacted returns a text without keys, whether plain or in base64.
func redacted(text string) string {
	return encoded.ReplaceAllStringFunc(keys.Redact(text), func(run string) string {
		for from := range min(4, len(run)-minEncodedKey+1) { // a key may begin in the middle of the encoded text
			if holdsKey(run[from:]) {
				return keys.Redacted
			}
		}

		return run
	})
}

// holdsKey reports whether a text is base64 without padding of a text with a key.
func holdsKey(text string) bool {
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		whole := text[:len(text)-len(text)%4] // the rest is less than three bytes
		if plain, err := encoding.DecodeString(whole); err == nil && keys.Redact(string(plain)) != string(plain) {
			return true
		}
	}

	return false
}

// scrubbed returns an error without keys: an admission plugin may quote the Secret that it refuses, or the stored one. The argument key is
// the key being written. An error that quotes no key is returned as it is.
func scrubbed(err error, key keys.Key) error {
	if err == nil {
		return nil
	}
	message := redacted(key.Scrub(err.Error()))
	if message == err.Error() {
		return err
	}
	clean := &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonUnknown}}
	var status apierrors.APIStatus
	if errors.As(err, &status) { // its reason and code stay; the details go, because they may quote the key as well
		clean.ErrStatus.Reason, clean.ErrStatus.Code = status.Status().Reason, status.Status().Code
	}
	clean.ErrStatus.Message = message

	return clean
}
