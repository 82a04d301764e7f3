// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// reach is whether a request may get to the API.
type reach int

const (
	refused reach = iota // it must not
	passed               // it must: a valid key, and nothing that a client may not do
	either               // gateways read it differently; if it passes, then with the identity of its key only
)

// smuggled are requests by which a client tries to be somebody else, or to get past the verifier. {key} is a valid key
// that may read customers; {other} another one. Lines end with CR LF, and each request ends its connection.
var smuggled = map[string]struct {
	request string
	reach   reach
}{
	// Identity headers
	"one that the verifier sets":         {get("X-API-Key: {key}", "x-apikey-id: evil"), passed},
	"in the usual spelling":              {get("Authorization: Bearer {key}", "X-Apikey-Name: evil"), passed},
	"in capitals, twice":                 {get("X-API-Key: {key}", "X-APIKEY-OWNER: evil", "X-APIKEY-OWNER: worse"), passed},
	"one that this key has no value for": {get("X-API-Key: {key}", "x-apikey-customers: evil", "x-apikey-owner: evil"), passed},
	"with a value that begins a line":    {get("X-API-Key: {key}", "x-apikey-id:\tevil"), passed},
	"with underscores":                   {get("X-API-Key: {key}", "x_apikey_id: evil", "X_APIKEY_OWNER: evil"), passed},
	"with dots":                          {get("X-API-Key: {key}", "x.apikey.id: evil", "X.Apikey.Owner: evil"), passed},
	"with one of each":                   {get("X-API-Key: {key}", "x-apikey_id: evil", "x_apikey-owner: evil", "x.apikey_name: evil"), passed},
	"with other characters of names": {
		get("X-API-Key: {key}", "x~apikey~id: evil", "x!apikey!id: evil", "x+apikey+id: evil", "x|apikey|id: evil", "x#apikey#id: evil"),
		passed,
	},
	"with the rest of them": {
		get(
			"X-API-Key: {key}",
			"x$apikey$id: evil",
			"x%apikey%id: evil",
			"x&apikey&id: evil",
			"x'apikey'id: evil",
			"x*apikey*id: evil",
			"x^apikey^id: evil",
			"x`apikey`id: evil",
		),
		passed,
	},
	"with a space before the colon":       {get("X-API-Key: {key}", "x-apikey-id : evil"), either},
	"with a tab before the colon":         {get("X-API-Key: {key}", "x-apikey-id\t: evil"), either},
	"folded onto a second line":           {get("X-API-Key: {key}", "x-apikey-id:", " evil"), either},
	"folded behind another header":        {get("X-API-Key: {key}", "x-harmless: a", "\tx-apikey-id: evil"), either},
	"behind a bare carriage return":       {get("X-API-Key: {key}", "x-harmless: a\rx-apikey-id: evil"), either},
	"behind a bare line feed":             {get("X-API-Key: {key}", "x-harmless: a\nx-apikey-id: evil"), either},
	"behind a NUL":                        {get("X-API-Key: {key}", "x-apikey-id\x00: evil"), either},
	"without a name":                      {get("X-API-Key: {key}", ": evil"), either},
	"with bytes above ASCII":              {get("X-API-Key: {key}", "x-apikey-id\xc2\xa0: evil"), either},
	"to be removed between hops":          {get("X-API-Key: {key}", "Connection: x-apikey-id, x-apikey-name, x-apikey-permissions"), passed},
	"sent and to be removed between hops": {get("X-API-Key: {key}", "Connection: close, X-Apikey-Id", "x-apikey-id: evil"), passed},
	"as a trailer": {
		post("X-API-Key: {key}", "Transfer-Encoding: chunked", "Trailer: x-apikey-id", "", "2", "hi", "0", "x-apikey-id: evil"),
		either,
	},
	"without a key":                         {get("x-apikey-id: evil", "x-apikey-permissions: customers:read"), refused},
	"the answer of the verifier, forged":    {get("x-apikey-status: 200", "x-apikey-reason: none", "status: 200"), refused},
	"variables of the gateways, as headers": {get("apikey_requirements: environment=Development", "txn.apikey_verdict: allowed"), refused},

	// Keys
	"a key in the look-alike of its header":  {get("X_API_KEY: {key}"), refused},
	"a key beside such a look-alike":         {get("X-API-Key: {key}", "X_API_KEY: {other}", "X.API.KEY: {other}"), passed},
	"two keys in two headers of a name":      {get("X-API-Key: {key}", "X-API-Key: {other}"), refused},
	"the same key in two headers of a name":  {get("X-API-Key: {key}", "X-API-Key: {key}"), refused},
	"two authorizations":                     {get("Authorization: Bearer {key}", "Authorization: Bearer {other}"), refused},
	"an authorization hidden behind another": {get("Authorization: Basic YTpi", "Authorization: Bearer {key}"), refused},
	"an authorization and a key header":      {get("Authorization: Bearer {key}", "X-API-Key: {other}"), refused},
	"two keys with a comma":                  {get("X-API-Key: {key}, {other}"), refused},
	"a key with a byte behind it":            {get("X-API-Key: {key}x"), refused},
	"a key with a NUL behind it":             {get("X-API-Key: {key}\x00"), refused},
	"a key with text behind it":              {get("Authorization: Bearer {key} {other}"), refused},
	"a key cut short":                        {get("X-API-Key: {cut}"), refused},
	"an empty key":                           {get("X-API-Key:"), refused},
	"a key as a password":                    {get("Authorization: Basic {key}"), refused},
	"a key to be removed between hops":       {get("X-API-Key: {key}", "Connection: close, x-api-key"), either},
	"a key in the query":                     {request("GET /customers?api_key={key}&x-api-key={key} HTTP/1.1"), refused},
	"a key in a cookie":                      {get("Cookie: x-api-key={key}"), refused},
	"a key as a trailer":                     {post("Transfer-Encoding: chunked", "Trailer: x-api-key", "", "2", "hi", "0", "x-api-key: {key}"), refused},
	"twice, in HTTP/1.0":                     {request("GET /customers HTTP/1.0", "X-API-Key: {key}", "X-API-Key: {other}"), refused},
	"once, in HTTP/1.0":                      {request("GET /customers HTTP/1.0", "X-API-Key: {key}", "x-apikey-id: evil"), passed},

	// What the key is for
	"another method, by name": {get("X-Forwarded-Method: OPTIONS", "X-Original-Method: OPTIONS", "X-HTTP-Method-Override: OPTIONS"), refused},
	"another path, by name": {
		get("X-Forwarded-Uri: /verify?environment=Development", "X-Original-URI: /verify?environment=Development", "X-Rewrite-URL: /", "X-Original-URL: /"),
		refused,
	},
	"a key of another environment": {
		get("X-API-Key: {staging}", "X-Forwarded-Uri: /verify?environment=Staging", "X-Original-URI: /verify?environment=Staging"),
		refused,
	},
	"requirements in the query": {
		request("GET /customers?environment=Staging&permission=none&mode=nginx HTTP/1.1", "X-API-Key: {staging}"),
		refused,
	},
	"requirements behind an escaped mark":    {request("GET /customers%3Fenvironment=Staging HTTP/1.1", "X-API-Key: {staging}"), refused},
	"requirements behind a fragment":         {request("GET /customers#?environment=Staging HTTP/1.1", "X-API-Key: {staging}"), refused},
	"the path of the verifier":               {request("GET /verify?environment=Development HTTP/1.1"), refused},
	"the path of the verifier, inside":       {request("GET /_apikey_verify HTTP/1.1", "X-API-Key: {key}"), refused},
	"the path of the verifier, under a path": {request("GET /customers/verify?environment=Development HTTP/1.1", "X-API-Key: {key}"), passed},
	"another path, by segments":              {request("GET /customers/../admin HTTP/1.1", "X-API-Key: {key}"), either},
	"this path, by segments":                 {request("GET /open/../customers HTTP/1.1"), refused},
	"another path, by escaped segments":      {request("GET /customers/%2e%2e/admin HTTP/1.1", "X-API-Key: {key}"), either},
	"another path, by escaped slashes":       {request("GET /customers%2f..%2fadmin HTTP/1.1", "X-API-Key: {key}"), either},
	"this path, by an escaped letter":        {request("GET /%63ustomers HTTP/1.1"), refused},
	"this path, by two slashes":              {request("GET //customers HTTP/1.1"), refused},
	"this path, in capitals":                 {request("GET /CUSTOMERS HTTP/1.1"), refused},
	"a path that only begins like this one":  {request("GET /customersecrets HTTP/1.1", "X-API-Key: {key}"), refused},
	"a URI with a host":                      {request("GET http://api.example.com/customers HTTP/1.1", "X-API-Key: {key}", "x-apikey-id: evil"), either},
	"a URI with a host, without a key":       {request("GET http://api.example.com/customers HTTP/1.1"), refused},
	"a URI with another host":                {request("GET http://evil.example.com/customers HTTP/1.1", "x-apikey-id: evil"), refused},
	"no host":                                {"GET /customers HTTP/1.1\r\nConnection: close\r\n\r\n", refused},
	"two hosts":                              {get("Host: evil.example.com", "X-API-Key: {key}", "x-apikey-id: evil"), either},

	// Bodies, in which a second request may hide
	"a body of GET":                     {get("X-API-Key: {key}", "Content-Length: 2", "", "hi"), passed},
	"a body of GET, without a key":      {get("Content-Length: 2", "", "hi"), refused},
	"a body in chunks":                  {post("X-API-Key: {key}", "Transfer-Encoding: chunked", "", "2", "hi", "0", ""), passed},
	"a body in chunks, without a key":   {post("Transfer-Encoding: chunked", "", "2", "hi", "0", ""), refused},
	"two lengths":                       {post("X-API-Key: {key}", "Content-Length: 2", "Content-Length: 60", "", "hi"+hidden), either},
	"a length and chunks":               {post("X-API-Key: {key}", "Content-Length: 60", "Transfer-Encoding: chunked", "", "0", "", hidden), either},
	"a length and chunks, obscured":     {post("X-API-Key: {key}", "Content-Length: 2", "Transfer-Encoding: xchunked", "", "0", "", hidden), either},
	"a length and chunks, behind a tab": {post("X-API-Key: {key}", "Content-Length: 5", "Transfer-Encoding:\tchunked", "", "0", "", hidden), either},
	"a length below zero":               {post("X-API-Key: {key}", "Content-Length: -1", "", hidden), either},
	"an upgrade": {
		"GET /customers HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: {key}\r\nConnection: Upgrade, HTTP2-Settings, x-apikey-id, close\r\nUpgrade: " +
			"h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nx-apikey-id: evil\r\n\r\n",
		either,
	},
}

// hidden is a request without a key, for the body of another.
const hidden = "GET /customers HTTP/1.1\r\nHost: api.example.com\r\nx-apikey-id: evil\r\n\r\n"

func get(lines ...string) string  { return request("GET /customers HTTP/1.1", lines...) }
func post(lines ...string) string { return request("POST /customers HTTP/1.1", lines...) }

// request puts the lines of a request together. Connection is told to close first, so that lines can end with a body.
func request(first string, lines ...string) string {
	all := append([]string{first, "Host: api.example.com", "Connection: close"}, lines...)

	return strings.Join(all, "\r\n") + "\r\n\r\n"
}

// resistsSmuggling sends all of them to a gateway and looks at what the API gets.
func (s *site) resistsSmuggling(t *testing.T, p program) {
	g := startGateway(t, p, s.address, s.ca, nil)
	text := strings.NewReplacer("{key}", s.keys["reader"], "{other}", s.keys["owned"], "{staging}", s.keys["staging"],
		"{cut}", s.keys["reader"][:len(s.keys["reader"])-1])
	for name, c := range smuggled {
		t.Run(name, func(t *testing.T) {
			g.api.take()
			answer := exchange(t, g.address, text.Replace(c.request))
			calls := g.api.take()
			switch {
			case c.reach == refused && len(calls) > 0:
				t.Errorf("it reached the API: %q", s.blank(calls[0].raw))
			case c.reach == passed && len(calls) != 1:
				t.Errorf("it reached the API %d times, the answer was %d", len(calls), answer.status)
			case len(calls) == 0 && answer.status/100 == 2:
				t.Errorf("nobody but the API says %d", answer.status)
			}
			for _, call := range calls {
				s.isOf(t, call, s.keys["reader"])
			}
		})
	}
}

// isOf checks a request that got to the API: it says whose key it was made with, once and in no other way, does not
// hold the key, and is for a path that the key was checked for.
func (s *site) isOf(t *testing.T, c call, key string) {
	t.Helper()
	identity, seen := s.identity(t, key), map[string]int{}
	for _, h := range c.headers {
		name := h.plain()
		if name == "authorization" || name == "x-api-key" {
			t.Errorf("the API gets a credential in %q", h.name)
		}
		if name == "connection" && strings.Contains(strings.ToLower(h.value), "api") {
			t.Errorf("the API's own proxy is told to remove %q", h.value)
		}
		if !slices.Contains(identityHeaders, name) {
			continue
		}
		seen[name]++
		if want := identity[name]; h.value != want || !strings.EqualFold(h.name, name) {
			t.Errorf("the API reads %q: %q, the verifier said %q", h.name, h.value, want)
		}
	}
	for name, want := range identity {
		if seen[name] > 1 || seen[name] == 0 && want != "" {
			t.Errorf("the API reads %s %d times, want once", name, seen[name])
		}
	}
	if s.blank(c.raw) != c.raw {
		t.Errorf("a key gets to the API: %q", s.blank(c.raw))
	}
	if c.more || c.method == "unreadable" {
		t.Errorf("there is more than one request in %q", s.blank(c.raw))
	}
	target, err := url.ParseRequestURI(c.target)
	if err != nil || target.RawPath != "" || !strings.HasPrefix(path.Clean(target.Path)+"/", "/customers/") {
		t.Errorf("the API is asked for %q", c.target)
	}
}

// blank takes keys out of a text, so that no test prints one.
func (s *site) blank(text string) string {
	for _, key := range s.keys {
		text = strings.ReplaceAll(text, key, "[key]")
	}

	return text
}
