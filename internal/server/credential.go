// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Credential is what the headers of a request say about whose it is, gathered header by header. It keeps the digest of a
// key and never the key. The zero value is that of a request without one.
type Credential struct {
	state  access.Credential
	digest keys.Digest
}

// Authorization takes the value of an Authorization header: "Bearer", spaces and a key (RFC 6750, section 2.1; schemes
// are case-insensitive by RFC 9110, section 11.1). Another scheme is a credential that is no API key.
func (c *Credential) Authorization(value string) {
	const bearer = "bearer"
	token := ""
	if len(value) > len(bearer) && value[len(bearer)] == ' ' && strings.EqualFold(value[:len(bearer)], bearer) {
		token = strings.TrimLeft(value[len(bearer):], " ")
	}
	c.take(value, token)
}

// APIKey takes the value of an X-API-Key header.
func (c *Credential) APIKey(value string) { c.take(value, value) }

// LookAlike takes a header that a server behind the gateway may read as X-API-Key, such as X_API_Key. Nobody can say
// which of the two it would believe, so a request with one is refused.
func (c *Credential) LookAlike() { c.state = access.Several }

// take takes a header. An empty one says nothing.
func (c *Credential) take(value, token string) {
	switch {
	case value == "":
	case c.state != access.None:
		c.state, c.digest = access.Several, keys.Digest{}
	case keys.Check(token) == nil:
		c.state, c.digest = access.Presented, keys.DigestOf(token)
	case strings.Contains(value, ","): // as a gateway joins two headers of one name (RFC 9110, section 5.3)
		c.state = access.Several
	default:
		c.state = access.NoKey
	}
}
