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

// IdentitySet is a choice of the headers that say whose key a request was allowed with: bit i stands for the header i of
// IdentityNames. Only a set that is not empty says anything.
type IdentitySet uint8

// FullIdentity is all of them.
const FullIdentity = IdentitySet(1<<IdentityHeaders - 1)

// Has says whether a header is in the set.
func (s IdentitySet) Has(header int) bool { return s&(1<<header) != 0 }

// identityPrefix is what the names of IdentityNames begin with. Without it they are the words of a requirement.
const identityPrefix = "x-apikey-"

// IdentityNames are the names of the headers that say whose key a request was allowed with, in the order of Identity.
func IdentityNames() [IdentityHeaders]string {
	return [...]string{
		"x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment", "x-apikey-permissions",
		"x-apikey-owner", "x-apikey-customers",
	}
}

// permissionsHeader is the place of x-apikey-permissions among the headers. Its value alone takes time to make.
const permissionsHeader = 4

// Identity is the values of IdentityNames, empty where there is none. Lists are joined by commas: no value holds one.
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

// fitting is as much of a list as fits in a header.
func fitting(list access.List) string {
	if len(list) < maxPermissions {
		return string(list)
	}

	return string(list[:max(0, strings.LastIndexByte(string(list[:maxPermissions]), ','))])
}
