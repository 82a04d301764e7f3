// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// Names of the headers in which clients send a key.
const (
	HeaderAuthorization = "authorization"
	HeaderAPIKey        = "x-api-key"
)

// IdentityHeaders is how many headers say whose key a request was allowed with.
const IdentityHeaders = 7

// maxPermissions is how many bytes of permissions x-apikey-permissions holds at most. Gateways and servers refuse long
// headers, mostly from 8 KiB on for all together; a key with many roles could have 34 KiB. Whole permissions are left out.
const maxPermissions = 4 << 10

// IdentityNames are the names of the headers that say whose key a request was allowed with, in the order of Identity.
func IdentityNames() [IdentityHeaders]string {
	return [...]string{
		"x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment", "x-apikey-permissions",
		"x-apikey-owner", "x-apikey-customers",
	}
}

// Identity is the values of IdentityNames, empty where there is none. Lists are joined by commas: no value holds one.
func Identity(grant *access.Grant) [IdentityHeaders]string {
	s := grant.Subject

	return [...]string{
		grant.ID, s.Name, s.Namespace, string(s.Environment), fitting(s.Rights.List()), s.Owner, string(s.Customers),
	}
}

// fitting is as much of a list as fits in a header.
func fitting(list access.List) string {
	if len(list) < maxPermissions {
		return string(list)
	}

	return string(list[:max(0, strings.LastIndexByte(string(list[:maxPermissions]), ','))])
}

// Kind is what a header is to the verifier.
type Kind uint8

// The kinds of headers.
const (
	// Other headers mean nothing here.
	Other Kind = iota
	// Authorization carries a credential.
	Authorization
	// APIKey carries a credential.
	APIKey
	// APIKeyLookAlike is read as X-API-Key by some servers and not by others.
	APIKeyLookAlike
	// ClientIdentity is, or is read by some servers as, one that only the verifier may set.
	ClientIdentity
)

// KindOf says what a header is. Servers behind gateways see names in forms where letters have no case, and all that is neither
// letter nor digit is the same: CGI (RFC 3875, section 4.1.18) turns '-' into '_', and what has followed it the rest, too.
func KindOf(name string) Kind {
	switch len(name) {
	case len(HeaderAuthorization):
		if strings.EqualFold(name, HeaderAuthorization) {
			return Authorization
		}

		return identityOrOther(name)
	case len(HeaderAPIKey):
		switch {
		case strings.EqualFold(name, HeaderAPIKey):
			return APIKey
		case looksLike(name, HeaderAPIKey):
			return APIKeyLookAlike
		}
	}

	return identityOrOther(name)
}

func identityOrOther(name string) Kind {
	const prefix = "x-apikey-"
	if len(name) >= len(prefix) && looksLike(name[:len(prefix)], prefix) {
		return ClientIdentity
	}

	return Other
}

// looksLike says whether a name is another but for case and separators.
func looksLike(name, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range len(name) {
		if folded(name[i]) != lower[i] {
			return false
		}
	}

	return true
}

// folded is a character without case, and '-' for all that is neither letter nor digit.
func folded(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	default:
		return '-'
	}
}

// LookAlikes are all ways to spell a header with '-', '_' and '.', without the header itself: those that are read as it by most
// servers that read any so.
func LookAlikes(name string) []string {
	spellings := []string{""}
	for _, c := range name {
		forms := string(c)
		if c == '-' {
			forms = "-_."
		}
		var longer []string
		for _, spelling := range spellings {
			for _, form := range forms {
				longer = append(longer, spelling+string(form))
			}
		}
		spellings = longer
	}

	return spellings[1:]
}
