// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// Envoy is told to take off the header that the endpoint names and leaves the others to the API, and the identity headers that
// the answer does not set.
func TestEnvoyIsToldWhichHeaderToRemove(t *testing.T) {
	key := testkit.ForeignKey()
	handler := forwardauth.New(testkit.NewVerifier(t, key, "api-key"))
	for needs, lost := range map[string][]string{
		"":                          {"authorization", "x-api-key", "x_api_key", "api-key", "api_key"},
		"&credential=api-key":       {"api-key", "api_key", "api.key"},
		"&credential=x-api-key":     {"x-api-key", "x_api_key", "x.api-key"},
		"&credential=authorization": {"authorization"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/verify/environment=Production&identity=owner,id"+needs+"/customers", http.NoBody)
		switch needs {
		case "", "&credential=api-key":
			r.Header.Set("Api-Key", key)
		case "&credential=x-api-key":
			r.Header.Set("X-Api-Key", key)
		default:
			r.Header.Set("Authorization", "Bearer "+key)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", needs, w.Code)
		}
		removed := strings.Split(w.Header().Get("X-Envoy-Auth-Headers-To-Remove"), ",")
		for _, name := range []string{"authorization", "x-api-key", "x_api_key", "x.api-key", "api-key", "api_key", "api.key"} {
			if wanted := slices.Contains(lost, name) || needs == ""; slices.Contains(removed, name) != wanted {
				t.Errorf("%s: %s is removed: %t, want %t", needs, name, !wanted, wanted)
			}
		}
		for _, name := range server.IdentityNames() {
			set := name == "x-apikey-id" || name == "x-apikey-owner"
			if slices.Contains(removed, name) == set || (len(w.Header().Values(name)) == 1) != set {
				t.Errorf("%s: %s is set: %t, removed: %t", needs, name, len(w.Header().Values(name)) == 1, slices.Contains(removed, name))
			}
		}
		for _, name := range identityLookAlikes() {
			if !slices.Contains(removed, name) {
				t.Errorf("%s: %s reaches the API", needs, name)
			}
		}
	}
}

func identityLookAlikes() (all []string) {
	for _, name := range server.IdentityNames() {
		all = append(all, server.LookAlikes(name)...)
	}

	return all
}
