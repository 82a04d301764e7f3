// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// identityHeaders are what the API learns about a key.
var identityHeaders = []string{
	"x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment", "x-apikey-permissions", "x-apikey-owner", "x-apikey-customers",
}

// TestGateways runs nginx, Caddy and HAProxy from the samples, in front of an API, with the verifier and the operator.
func TestGateways(t *testing.T) {
	s := newSite(t)
	t.Run("the verifier says whose a key is", s.saysWhose)
	t.Run("the verifier understands the manifests", s.understandsManifests)
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each has an API of its own, and waits most of the time
			p = s.prepare(t, p)
			t.Run("lets keys through and refuses as the verifier says", func(t *testing.T) { s.behaves(t, p, limitedFor(name)) })
			t.Run("lets no client forge what the API believes", func(t *testing.T) { s.resistsSmuggling(t, p) })
			t.Run("lets WebSockets through with a key, and no other protocol", func(t *testing.T) { s.upgrades(t, p) })
			t.Run("answers pages of other origins as its recipe says", func(t *testing.T) { s.answersPages(t, p) })
			t.Run("refuses all when it cannot ask", func(t *testing.T) { s.failsClosed(t, p) })
			t.Run("hands on the largest identity", func(t *testing.T) { s.handsOnLargest(t, p) })
			t.Run("tells the API what the route asks for", func(t *testing.T) { s.tellsWhatIsAsked(t, p) })
			t.Run("leaves Authorization to the API where the key is elsewhere", func(t *testing.T) { s.leavesAuthorization(t, p) })
			t.Run("reads paths as the API does", func(t *testing.T) { s.readsPathsAsTheAPI(t, p) })
			t.Run("takes the bodies that the API takes", func(t *testing.T) { s.takesBodies(t, p) })
			t.Run("tells clients their limit", func(t *testing.T) { s.tellsLimits(t, p) })
			t.Run("says why it cannot tell", func(t *testing.T) { s.saysWhyNot(t, p) })
		})
	}
}

// saysWhose checks what the verifier says about keys. What gateways hand on is compared with that.
func (s *site) saysWhose(t *testing.T) {
	for name, want := range map[string][]string{
		"reader": {s.ids["reader"], "reader", "default", "Production", "customers:read", "", ""},
		"owned":  {s.ids["owned"], "owned", "default", "Production", "customers:read,telemetry:write", "jane@example.com", "acme,globex"},
	} {
		var got []string
		for _, header := range identityHeaders {
			got = append(got, s.identity(t, s.keys[name])[header])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("identity of %s (-want +got):\n%s", name, diff)
		}
	}
}

// behaves checks the answers to well-formed requests.
func (s *site) behaves(t *testing.T, p program, limitedKey string) {
	g := startGateway(t, p, s.address, s.ca, nil)
	for sentence, c := range map[string]struct {
		key    string // the APIKey; empty: none is sent
		text   string // instead of a key
		status int
		reason string
	}{
		"a key with the permission":            {key: "reader", status: http.StatusOK},
		"a key with an owner and customers":    {key: "owned", status: http.StatusOK},
		"no key":                               {status: http.StatusUnauthorized, reason: "missing"},
		"something that is no key":             {text: "secret", status: http.StatusUnauthorized, reason: "malformed"},
		"a key that the operator did not make": {text: foreignKey(t), status: http.StatusUnauthorized, reason: "unknown"},
		"a key of another environment":         {key: "staging", status: http.StatusUnauthorized, reason: "wrong_environment"},
		"a suspended key":                      {key: "suspended", status: http.StatusUnauthorized, reason: "suspended"},
		"a key without the permission":         {key: "writer", status: http.StatusForbidden, reason: "permission_denied"},
	} {
		t.Run(sentence, func(t *testing.T) {
			key := c.text
			if c.key != "" {
				key = s.keys[c.key]
			}
			for _, form := range []string{"Authorization: Bearer ", "X-API-Key: "} {
				line := form + key
				if key == "" {
					line = "Accept: */*"
				}
				answer := exchange(t, g.address, get(line))
				answer.is(t, c.status, c.reason)
				s.reached(t, g, key, c.status)
			}
		})
	}
	t.Run("a key with a limit, twice", func(t *testing.T) {
		limited := s.keys[limitedKey]
		exchange(t, g.address, get("X-API-Key: "+limited)).is(t, http.StatusOK, "")
		if calls := g.api.take(); len(calls) != 1 {
			t.Errorf("%d requests got to the API, want 1", len(calls))
		}
		answer := exchange(t, g.address, get("X-API-Key: "+limited))
		answer.is(t, http.StatusTooManyRequests, "rate_limited")
		for _, name := range []string{"Retry-After", "RateLimit", "RateLimit-Policy"} {
			if len(answer.header.Values(name)) != 1 || answer.header.Get(name) == "" {
				t.Errorf("%s is %q, want one value", name, answer.header.Values(name))
			}
		}
		s.reached(t, g, limited, http.StatusTooManyRequests)
	})
}

// reached checks that a request got to the API if it was allowed, and only then.
func (s *site) reached(t *testing.T, g *gateway, key string, status int) {
	t.Helper()
	calls := g.api.take()
	want := 0
	if status == http.StatusOK {
		want = 1
	}
	if len(calls) != want {
		t.Fatalf("%d requests got to the API, want %d", len(calls), want)
	}
	for _, call := range calls {
		s.isOf(t, call, key)
	}
}

// failsClosed checks that without an answer of the verifier nothing gets to the API.
func (s *site) failsClosed(t *testing.T, p program) {
	type failure struct {
		verifier string
		ca       []byte
		changes  edit
	}
	failures := map[string]failure{
		"the verifier is not there":                    {verifier: testkit.FreeAddress(t), ca: s.ca},
		"the verifier's certificate is by another":     {verifier: s.address, ca: s.otherCA},
		"another server of the same authority answers": {verifier: s.startImpostor(t), ca: s.ca},
		"the route names an environment that is not":   {verifier: s.address, ca: s.ca, changes: edit{"environment=Production": "environment=Nowhere"}},
		"the route does not say what it needs":         {verifier: s.address, ca: s.ca, changes: edit{"environment=Production&permission=customers:read": ""}},
	}
	for sentence, changes := range p.failures {
		failures[sentence] = failure{verifier: s.address, ca: s.ca, changes: changes}
	}
	for sentence, c := range failures {
		t.Run(sentence, func(t *testing.T) {
			g := startGateway(t, p, c.verifier, c.ca, c.changes)
			if answer := exchange(t, g.address, get("X-API-Key: "+s.keys["reader"])); answer.status/100 != 5 {
				t.Errorf("a valid key is answered %d, want a failure of the server", answer.status)
			}
			if answer := exchange(t, g.address, get()); answer.status < http.StatusBadRequest {
				t.Errorf("no key is answered %d", answer.status)
			}
			for _, call := range g.api.take() {
				t.Errorf("it reached the API: %q", s.blank(call.raw))
			}
		})
	}
}
