// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// checkRequest is the part of a CheckRequest that a decision needs, read from its bytes. Making the whole message, with maps of all
// headers, takes 15 µs and 115 allocations; reading it like this, deciding and writing the answer 7 µs and 9 (BenchmarkCheck).
type checkRequest struct {
	credentials *server.CredentialHeaders
	request     server.Request
	seen        seenHeaders
}

// seenHeaders is what the answer needs of the headers of a request.
type seenHeaders struct {
	// credentials are the headers for keys that the request had: bit i stands for header i.
	credentials uint
	// path reports that the pseudo-header :path was there: the gateway sends all headers, and not a configured list of them.
	path bool
	// forged are headers of the client that only the verifier may set.
	forged []string
}

var errWire = errors.New("this is no envoy.service.auth.v3.CheckRequest")

// Numbers of fields in envoy/service/auth/v3/external_auth.proto, attribute_context.proto and config/core/v3/base.proto.
const (
	checkAttributes = 1

	attributesRequest           = 4
	attributesContextExtensions = 10

	requestHTTP = 2

	httpMethod    = 2
	httpHeaders   = 3 // a map: those of one name are joined by commas
	httpPath      = 4
	httpHost      = 5
	httpHeaderMap = 13 // a list, with encode_raw_headers

	headerMapHeaders = 1

	pairKey   = 1
	pairValue = 2
	pairRaw   = 3 // of a list, instead of a value
)

// unmarshal reads a CheckRequest. It reads every occurrence of a repeated field, so two credentials count as two.
func (q *checkRequest) unmarshal(message []byte) error {
	if !each(message, checkAttributes, q.attributes) {
		return errWire
	}

	return nil
}

func (q *checkRequest) attributes(message []byte) bool {
	fields := cursor{rest: message}
	for fields.next() {
		switch fields.number {
		case attributesContextExtensions:
			name, value, ok := pair(fields.value)
			q.request.Needs.Set(string(name), string(value))
			fields.failed = !ok
		case attributesRequest:
			fields.failed = !each(fields.value, requestHTTP, q.http)
		}
	}

	return !fields.failed
}

func (q *checkRequest) http(message []byte) bool {
	fields := cursor{rest: message}
	for fields.next() {
		switch fields.number {
		case httpMethod:
			q.request.Method = string(fields.value)
		case httpPath:
			q.request.Path = string(fields.value)
		case httpHost:
			q.request.Host = string(fields.value)
		case httpHeaders:
			fields.failed = !q.header(fields.value)
		case httpHeaderMap:
			fields.failed = !each(fields.value, headerMapHeaders, q.header)
		}
	}

	return !fields.failed
}

// header reads one header, of either form.
func (q *checkRequest) header(message []byte) bool {
	name, value, ok := pair(message)
	switch kind, header := q.credentials.Kind(string(name)); kind {
	case server.Carrier:
		q.seen.credentials |= 1 << header
		q.request.Credential.Take(header, string(value))
	case server.CarrierLookAlike:
		q.request.Credential.LookAlike(header)
	case server.ClientIdentity:
		q.seen.forged = append(q.seen.forged, string(name))
	default:
		q.seen.path = q.seen.path || string(name) == ":path"
	}

	return ok
}

// pair reads an entry of a map, or a HeaderValue, which has a value or a raw value.
func pair(message []byte) (key, value []byte, ok bool) {
	fields := cursor{rest: message}
	for fields.next() {
		switch fields.number {
		case pairKey:
			key = fields.value
		case pairValue:
			value = fields.value
		case pairRaw:
			if len(value) == 0 {
				value = fields.value
			}
		}
	}

	return key, value, !fields.failed
}

// cursor iterates over the fields of a message that are strings, bytes or messages. It skips others.
type cursor struct {
	rest   []byte
	number int32
	value  []byte
	failed bool
}

// next advances to the next field; false: there is none, or the message is malformed.
func (c *cursor) next() bool {
	for !c.failed && len(c.rest) > 0 {
		number, kind, n := protowire.ConsumeTag(c.rest)
		if n < 0 {
			c.failed = true

			break
		}
		c.rest = c.rest[n:]
		if kind == protowire.BytesType {
			c.number = int32(number)
			c.value, n = protowire.ConsumeBytes(c.rest)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, c.rest)
		}
		if n < 0 {
			c.failed = true

			break
		}
		c.rest = c.rest[n:]
		if kind == protowire.BytesType {
			return true
		}
	}

	return false
}

// each reads all fields with a number; false: a field or the message is malformed.
func each(message []byte, number int32, read func([]byte) bool) bool {
	fields := cursor{rest: message}
	for fields.next() {
		if fields.number == number {
			fields.failed = !read(fields.value)
		}
	}

	return !fields.failed
}
