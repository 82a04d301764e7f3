// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Credential collects the credentials in the headers of a request, in any order and before it is clear which headers count. It keeps
// digests of keys and never a key. The zero value is the credential of a request without one.
type Credential struct {
	headers [maxCredentialHeaders]carried
}

// carried is the credential in one header.
type carried struct {
	state  access.Credential
	digest keys.Digest
}

// Take adds the value of a header. An empty one counts as none.
func (c *Credential) Take(header CredentialHeader, value string) {
	at := &c.headers[header]
	if value == "" {
		return
	}
	token := value
	if header == Authorization {
		token = bearer(value)
	}
	switch {
	case at.state != access.None:
		*at = carried{state: access.Several}
	case keys.Check(token) == nil:
		*at = carried{access.Presented, keys.DigestOf(token)}
	case strings.Contains(value, ","): // as a gateway joins two headers of one name (RFC 9110, section 5.3)
		at.state = access.Several
	default:
		at.state = access.NoKey
	}
}

// LookAlike adds a header that a server behind the gateway may read as the one with this number, such as X_API_Key. The verifier cannot
// tell which of the two the server uses, so the request is refused.
func (c *Credential) LookAlike(header CredentialHeader) {
	c.headers[header] = carried{state: access.Several}
}

// of returns the credential in a header. For AnyHeader all headers together must have exactly one.
func (c *Credential) of(header CredentialHeader) carried {
	if header != AnyHeader {
		return c.headers[header]
	}
	var found carried
	for i := range c.headers {
		switch at := &c.headers[i]; {
		case at.state == access.None:
		case found.state != access.None:
			return carried{state: access.Several}
		default:
			found = *at
		}
	}

	return found
}

// bearer returns the token in the value of an Authorization header: "Bearer", spaces and a key (RFC 6750, section 2.1; schemes are
// case-insensitive by RFC 9110, section 11.1). For another scheme it returns nothing.
func bearer(value string) string {
	const scheme = "bearer"
	if len(value) > len(scheme) && value[len(scheme)] == ' ' && strings.EqualFold(value[:len(scheme)], scheme) {
		return strings.TrimLeft(value[len(scheme):], " ")
	}

	return ""
}
