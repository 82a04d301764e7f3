// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sampleNeeds are the requirements of /customers in every sample.
const sampleNeeds = "environment=Production&permission=customers:read"

// tellsWhatIsAsked checks that the API is told what the route asks for, and that the client cannot say the rest.
func (s *site) tellsWhatIsAsked(t *testing.T, p program) {
	p.variant(t, "tells the API what the route asks for")
	for _, identity := range []string{"id,owner", "customers", "owner%2Cid"} {
		t.Run(identity, func(t *testing.T) {
			g := startGateway(t, p, s.address, s.ca, edit{sampleNeeds: sampleNeeds + "&identity=" + identity})
			lines := []string{"X-API-Key: " + s.keys["owned"]}
			for _, name := range identityHeaders {
				lines = append(lines, name+": evil")
			}
			exchange(t, g.address, get(lines...)).is(t, http.StatusOK, "")
			want := map[string]string{"x-apikey-id": s.ids["owned"], "x-apikey-owner": "jane@example.com"}
			if identity == "customers" {
				want = map[string]string{"x-apikey-customers": "acme,globex"}
			}
			for _, call := range g.api.take() {
				if diff := cmp.Diff(want, call.identity()); diff != "" {
					t.Errorf("identity (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// identity is what a request says about a key, without what it says to be empty.
func (c call) identity() map[string]string {
	said := map[string]string{}
	for _, h := range c.headers {
		if slices.Contains(identityHeaders, h.plain()) && h.value != "" {
			said[h.plain()] += h.value
		}
	}

	return said
}

// leavesAuthorization checks a route that names the header with the key: another credential of the client is for the API.
func (s *site) leavesAuthorization(t *testing.T, p program) {
	v := p.variant(t, "leaves Authorization to the API where the key is elsewhere")
	changes := edit{sampleNeeds: sampleNeeds + "&credential=x-api-key"}
	maps.Copy(changes, v.named)
	g := startGateway(t, p, s.address, s.ca, changes)
	const own = "Basic amFuZTpzZWNyZXQ="
	exchange(t, g.address, get("Authorization: "+own, "X-API-Key: "+s.keys["owned"])).is(t, http.StatusOK, "")
	for _, call := range g.api.take() {
		seen := map[string]string{}
		for _, h := range call.headers {
			if name := h.plain(); name == "authorization" || name == "x-api-key" {
				seen[name] += h.value
			}
		}
		if diff := cmp.Diff(map[string]string{"authorization": own}, seen); diff != "" {
			t.Errorf("credentials that the API gets (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(s.ids["owned"], call.identity()["x-apikey-id"]); diff != "" {
			t.Errorf("x-apikey-id (-want +got):\n%s", diff)
		}
	}
	exchange(t, g.address, get("Authorization: Bearer "+s.keys["owned"])).is(t, http.StatusUnauthorized, "missing")
	if calls := g.api.take(); len(calls) > 0 {
		t.Error("a key in another header than the one that the route names reached the API")
	}
}
