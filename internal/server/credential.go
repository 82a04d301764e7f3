// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Credential is what the headers of a request say about whose it is, gathered header by header, in any order and before it is
// known which of them count. It keeps digests of keys and never a key. The zero value is that of a request without one.
type Credential struct {
	headers [maxCredentialHeaders]carried
}

// carried is what one of the headers carries.
type carried struct {
	state  access.Credential
	digest keys.Digest
}

// Take takes the value of a header. An empty one says nothing.
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

// LookAlike takes a header that a server behind the gateway may read as the one with this number, such as X_API_Key. The
// verifier cannot tell which of the two the server believes, so the request is refused.
func (c *Credential) LookAlike(header CredentialHeader) {
	c.headers[header] = carried{state: access.Several}
}

// of is what counts where the key must be in one header, or in any: then there must be exactly one credential in all of them.
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

// bearer is the token in the value of an Authorization header: "Bearer", spaces and a key (RFC 6750, section 2.1; schemes
// are case-insensitive by RFC 9110, section 11.1). Another scheme is a credential that is no API key.
func bearer(value string) string {
	const scheme = "bearer"
	if len(value) > len(scheme) && value[len(scheme)] == ' ' && strings.EqualFold(value[:len(scheme)], scheme) {
		return strings.TrimLeft(value[len(scheme):], " ")
	}

	return ""
}
