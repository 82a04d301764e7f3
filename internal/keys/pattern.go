// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"fmt"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TailLength is how many base62 characters a key has behind its environment: the secret part and the checksum.
const TailLength = secretLength + checksumLength

// EnvironmentCodes returns how environments are spelled inside keys.
func EnvironmentCodes() []string {
	return []string{
		environmentCode(v1alpha1.EnvironmentProduction),
		environmentCode(v1alpha1.EnvironmentStaging),
		environmentCode(v1alpha1.EnvironmentDevelopment),
	}
}

// Pattern returns a regular expression (RE2, without anchors) that matches every key, for programs that search text for
// secrets. A match is a key only if Check accepts it: a pattern cannot calculate the checksum.
func Pattern() string {
	return fmt.Sprintf("[a-z][a-z0-9]{0,%d}_(?:%s)_[0-9A-Za-z]{%d}", MaxPrefixLength-1, strings.Join(EnvironmentCodes(), "|"), TailLength)
}

// IsBase62 reports whether a byte may stand in the part of a key behind its environment.
func IsBase62(c byte) bool { return isBase62(c) }
