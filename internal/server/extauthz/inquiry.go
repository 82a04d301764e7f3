// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// inquiry is a CheckRequest as far as it matters, read straight from its bytes. Making the whole message, with maps of all
// headers, takes 15 µs and 115 allocations; reading it like this, deciding and writing the answer 7 µs and 9 (BenchmarkCheck).
type inquiry struct {
	credentials *server.CredentialHeaders
	request     server.Request
	seen        sight
}

// sight is what the headers of a request showed beside its credential.
type sight struct {
	// credentials are the headers that may carry a key and were there, by number: bit i stands for header i.
	credentials uint
	// path: the pseudo-header :path was there, so the gateway has sent all headers, and not those of a list.
	path bool
	// forged are the client's headers that only the verifier may set.
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

// unmarshal reads a CheckRequest. A field that is there more than once is read each time, which can only add to what is
// seen: two credentials are two.
func (q *inquiry) unmarshal(message []byte) error {
	if !each(message, checkAttributes, q.attributes) {
		return errWire
	}

	return nil
}

func (q *inquiry) attributes(message []byte) bool {
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

func (q *inquiry) http(message []byte) bool {
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
func (q *inquiry) header(message []byte) bool {
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

// pair reads an entry of a map, or a HeaderValue, which has a raw value where it has no value.
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

// cursor goes through the fields of a message that have a length: strings, bytes and messages. It skips others.
type cursor struct {
	rest   []byte
	number int32
	value  []byte
	failed bool
}

// next goes to the next field; false: there is none, or the message is broken.
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

// each reads all fields of a message that have this number; false: one of them is broken, or the message is.
func each(message []byte, number int32, read func([]byte) bool) bool {
	fields := cursor{rest: message}
	for fields.next() {
		if fields.number == number {
			fields.failed = !read(fields.value)
		}
	}

	return !fields.failed
}
