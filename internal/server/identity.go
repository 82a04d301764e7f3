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

// IdentityHeaders is the number of identity headers.
const IdentityHeaders = 7

// maxPermissions is the highest number of bytes in x-apikey-permissions, which ends after a whole permission. Most gateways and servers
// refuse headers of more than 8 KiB together; 8 roles of 64 permissions would have 34 KiB.
const maxPermissions = 4 << 10

// IdentitySet is a set of identity headers: bit i stands for header i of IdentityNames. An empty set has no meaning.
type IdentitySet uint8

// FullIdentity is the set of all identity headers.
const FullIdentity = IdentitySet(1<<IdentityHeaders - 1)

// Has reports whether a header is in the set.
func (s IdentitySet) Has(header int) bool { return s&(1<<header) != 0 }

// identityPrefix is the prefix of all IdentityNames. The requirement "identity" names headers without it.
const identityPrefix = "x-apikey-"

// IdentityNames returns the names of the headers that tell the API whose key a request was allowed with, in the order of Identity.
func IdentityNames() [IdentityHeaders]string {
	return [...]string{
		"x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment", "x-apikey-permissions",
		"x-apikey-owner", "x-apikey-customers",
	}
}

// permissionsHeader is the index of x-apikey-permissions, the only header whose value has to be built.
const permissionsHeader = 4

// Identity returns the values of IdentityNames, empty where there is none. Lists are joined by commas, which no item contains.
func Identity(grant *access.Grant, set IdentitySet) [IdentityHeaders]string {
	s := grant.Subject
	permissions := ""
	if set.Has(permissionsHeader) {
		permissions = fitting(s.Rights.List())
	}

	return [...]string{
		grant.ID, s.Name, s.Namespace, string(s.Environment), permissions, s.Owner, string(s.Customers),
	}
}

// fitting returns the beginning of a list that fits into a header.
func fitting(list access.List) string {
	if len(list) < maxPermissions {
		return string(list)
	}

	return string(list[:max(0, strings.LastIndexByte(string(list[:maxPermissions]), ','))])
}
