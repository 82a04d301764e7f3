// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// megabytes is a body that is larger than what nginx takes where it is not told otherwise.
const megabytes = 3 << 20

// takesBodies checks that requests with large bodies get to an API that takes them.
func (s *site) takesBodies(t *testing.T, p program) {
	v := p.variant(t, "takes the bodies that the API takes")
	g := startGateway(t, p, s.address, s.ca, v.bodies)
	for _, size := range []int{20_000, megabytes} {
		body := strings.Repeat("b", size)
		for framing, request := range map[string]string{
			"with its length": post("X-API-Key: {key}", fmt.Sprintf("Content-Length: %d", size), "", body),
			"in one chunk":    post("X-API-Key: {key}", "Transfer-Encoding: chunked", "", fmt.Sprintf("%x", size), body, "0", ""),
			"in chunks":       post("X-API-Key: {key}", "Transfer-Encoding: chunked", "", chunks(body)+"0", ""),
		} {
			answer := exchange(t, g.address, strings.Replace(request, "{key}", s.keys["reader"], 1))
			calls := g.api.take()
			if answer.status != http.StatusOK || len(calls) != 1 || calls[0].body != size {
				t.Errorf("%d bytes %s are answered %d, and the API got %d requests", size, framing, answer.status, len(calls))
			}
		}
	}
	refused := post("Content-Length: 20000", "", strings.Repeat("b", 20_000))
	if answer := exchange(t, g.address, refused); answer.status != http.StatusUnauthorized || len(g.api.take()) > 0 {
		t.Errorf("a body without a key is answered %d", answer.status)
	}
}

// chunks is a body in chunks of 64 kB.
func chunks(body string) string {
	var all strings.Builder
	for len(body) > 0 {
		part := body[:min(len(body), 64_000)]
		body = body[len(part):]
		_, _ = fmt.Fprintf(&all, "%x\r\n%s\r\n", len(part), part)
	}

	return all.String()
}

// tellsLimits checks that clients learn from every answer how much is left of the limit of their key, and that nothing which
// the API says passes for it, or for what the verifier says.
func (s *site) tellsLimits(t *testing.T, p program) {
	p.variant(t, "tells clients their limit")
	g := startGateway(t, p, s.address, s.ca, nil)
	for key, want := range map[string]map[string]*regexp.Regexp{
		"counted": {
			"RateLimit":        regexp.MustCompile(`^"default";r=\d+;t=\d+$`),
			"RateLimit-Policy": regexp.MustCompile(`^"default";q=1000;w=86400$`),
		},
		"reader": {"RateLimit": nil, "RateLimit-Policy": nil},
	} {
		answer := exchange(t, g.address, get("X-API-Key: "+s.keys[key], "RateLimit: evil", "RateLimit-Policy: evil"))
		if answer.status != http.StatusOK || len(g.api.take()) != 1 {
			t.Errorf("%s is answered %d", key, answer.status)
		}
		for name, pattern := range want {
			values := answer.header.Values(name)
			if pattern == nil && len(values) > 0 || pattern != nil && (len(values) != 1 || !pattern.MatchString(values[0])) {
				t.Errorf("%s: %s is %q, want %v", key, name, values, pattern)
			}
		}
		for name, values := range answer.header {
			if strings.Contains(strings.Join(values, ","), forged) {
				t.Errorf("%s: the API passes %q for %s", key, values, name)
			}
		}
	}
}
