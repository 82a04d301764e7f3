// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Limits of CredentialHeaders. Every look-alike of a name is part of some answers, and a name with n dashes has 3^n of them.
const (
	maxCredentialHeaders = 8
	maxHeaderName        = 64
	maxDashes            = 4
)

// CredentialHeader is the number of a header that may carry a key.
type CredentialHeader int

// The headers of every CredentialHeaders.
const (
	// Authorization carries a key after the scheme Bearer.
	Authorization CredentialHeader = iota
	// APIKey is X-API-Key, which carries a key alone, as every other header but Authorization does.
	APIKey
	// AnyHeader is the number of no header: a key may be in any of them.
	AnyHeader CredentialHeader = -1
)

// CredentialHeaders are the headers that may carry a key. A CredentialHeaders does not change.
type CredentialHeaders struct {
	names    []string // in lower case; a CredentialHeader is an index
	byLength [maxHeaderName + 1][]CredentialHeader
}

// NewCredentialHeaders returns Authorization, X-API-Key and more headers. It returns an error about the first name that is not usable.
func NewCredentialHeaders(more ...string) (*CredentialHeaders, error) {
	h := &CredentialHeaders{}
	for _, name := range append([]string{HeaderAuthorization, HeaderAPIKey}, more...) {
		name = strings.ToLower(name)
		if slices.Contains(h.names, name) {
			continue
		}
		if len(h.names) == maxCredentialHeaders {
			return nil, fmt.Errorf("there are more than %d headers for keys, with %s and %s", maxCredentialHeaders, HeaderAuthorization, HeaderAPIKey)
		}
		if trouble := troubleWithName(name); trouble != "" && name != HeaderAuthorization {
			return nil, fmt.Errorf("header %s %s", quoted(name), trouble)
		}
		h.byLength[len(name)] = append(h.byLength[len(name)], CredentialHeader(len(h.names)))
		h.names = append(h.names, name)
	}

	return h, nil
}

// Names returns the names of the headers in lower case, in the order of their numbers.
func (h *CredentialHeaders) Names() []string { return slices.Clone(h.names) }

// Find returns the number of a header by its name; false: there is none. It does not match look-alikes.
func (h *CredentialHeaders) Find(name string) (CredentialHeader, bool) {
	kind, header := h.Kind(name)

	return header, kind == Carrier
}

// validName is the form of a name. Gateways drop or join names with '_' and '.'.
var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// troubleWithName describes why a header cannot carry keys; empty: it can.
func troubleWithName(name string) string {
	switch {
	case len(name) > maxHeaderName, strings.Count(name, "-") > maxDashes, !validName.MatchString(name):
		return fmt.Sprintf("is not usable: letters and digits with at most %d single dashes in between, at most %d characters", maxDashes, maxHeaderName)
	case kindOfIdentity(name) == ClientIdentity:
		return "is one that only the verifier sets"
	case hasMeaning(name):
		return "has a meaning of its own for gateways or servers: a key in it would be misread, logged or lost"
	default:
		return ""
	}
}

// hasMeaning reports whether gateways or servers interpret a header: headers of the connection (RFC 9110, section 7.6.1), of the message,
// of forwarding, of browsers.
func hasMeaning(name string) bool {
	switch name {
	case "authorization", "host", "cookie", "cookie2", "connection", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
		"expect", "max-forwards", "http2-settings", "date", "from", "origin", "referer", "user-agent", "server", "via", "forwarded", "range",
		"cache-control", "pragma", "warning", "age", "vary", "etag", "location", "allow", "prefer", "priority", "early-data",
		"x-real-ip", "x-request-id", "x-http-method-override", "traceparent", "tracestate", "baggage":
		return true
	}
	for _, prefix := range []string{
		"proxy-", "content-", "accept", "if-", "access-control-", "sec-", "set-", "x-forwarded-", "x-original-", "x-envoy-", "x-accel-", "x-b3-", "grpc-",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}

	return false
}
