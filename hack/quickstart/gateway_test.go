// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// served starts a server for the time of the test.
func served(t *testing.T, handler http.Handler) *url.URL {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}

	return u
}

// answering returns a verifier that gives every request the same answer.
func answering(status int, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
	})
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestGatewayPassesOnlyOn200(t *testing.T) {
	for name, c := range map[string]struct {
		verifier http.Handler
		path     string
		want     int
	}{
		"allowed":                              {answering(http.StatusOK), "/customers", http.StatusOK},
		"refused":                              {answering(http.StatusUnauthorized), "/customers", http.StatusUnauthorized},
		"refused for a limit":                  {answering(http.StatusTooManyRequests), "/customers", http.StatusTooManyRequests},
		"misconfigured":                        {answering(http.StatusInternalServerError), "/customers", http.StatusInternalServerError},
		"another success than 200":             {answering(http.StatusNoContent), "/customers", http.StatusBadGateway},
		"a redirection, which is not followed": {answering(http.StatusFound, "Location: /"), "/customers", http.StatusBadGateway},
		"no answer":                            {http.HandlerFunc(hangUp), "/customers", http.StatusServiceUnavailable},
		"an endpoint that is not listed":       {answering(http.StatusOK), "/customers/", http.StatusNotFound},
		"an endpoint in disguise":              {answering(http.StatusOK), "/%63ustomers", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			reached := false
			api := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
			g := newGateway(served(t, api), served(t, c.verifier))
			recorder := httptest.NewRecorder()
			g.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, http.NoBody))
			if recorder.Code != c.want || reached != (c.want == http.StatusOK) {
				t.Errorf("answered %d and reached the API: %t; want %d", recorder.Code, reached, c.want)
			}
		})
	}
}

func TestGatewayTellsTheAPIWhatTheVerifierSays(t *testing.T) {
	verifier := answering(http.StatusOK, "X-Apikey-Id: abc", "X-Apikey-Name: web", "X-Apikey-Owner: ", `RateLimit: "default";r=1;t=2`)
	g := newGateway(served(t, http.HandlerFunc(echo)), served(t, verifier))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/customers?x-apikey-id=mine", http.NoBody)
	r.Header = http.Header{
		"X-Api-Key": {"secret"}, "x_api_key": {"secret"}, "Authorization": {"Bearer secret"},
		"X-Apikey-Id": {"forged"}, "X-Apikey-Owner": {"root"}, "X_apikey_name": {"forged"}, "X.apikey.admin": {"true"},
		"Connection": {"X-Apikey-Name"}, // to have it taken off
		"Accept":     {"text/plain"},
	}
	recorder := httptest.NewRecorder()
	g.ServeHTTP(recorder, r)
	want := `GET /customers
X-Apikey-Customers: 
X-Apikey-Environment: 
X-Apikey-Id: abc
X-Apikey-Name: web
X-Apikey-Namespace: 
X-Apikey-Owner: 
X-Apikey-Permissions: 
`
	if diff := cmp.Diff(want, recorder.Body.String()); diff != "" {
		t.Errorf("the API was told (-want +got):\n%s", diff)
	}
	if got := recorder.Header().Get("RateLimit"); got != `"default";r=1;t=2` {
		t.Errorf("the client was told RateLimit %q", got)
	}
}

func TestGatewayAsksWithTheCredentialsAndTheNeedsAlone(t *testing.T) {
	var question *http.Request
	verifier := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question = r
		w.WriteHeader(http.StatusUnauthorized)
	})
	g := newGateway(served(t, http.NotFoundHandler()), served(t, verifier))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin?environment=Development", strings.NewReader("body"))
	r.Header = http.Header{"X-Api-Key": {"a", "b"}, "X_api_key": {"c"}, "Cookie": {"d"}, "X-Forwarded-Uri": {"/elsewhere"}}
	g.ServeHTTP(httptest.NewRecorder(), r)
	if got, want := question.Method+" "+question.URL.String(), "GET /verify?environment=Production&permission=admin:write"; got != want {
		t.Errorf("the verifier was asked %s, want %s", got, want)
	}
	want := http.Header{
		"X-Api-Key": {"a", "b"}, "X_api_key": {"c"},
		"X-Forwarded-Method": {"POST"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Uri": {"/admin?environment=Development"},
	}
	for _, name := range []string{"User-Agent", "Accept-Encoding"} { // Go's own
		question.Header.Del(name)
	}
	if diff := cmp.Diff(want, question.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestGatewayHandsOnARefusalAsItIs(t *testing.T) {
	verifier := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.Header().Set("X-Apikey-Reason", "missing")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"status":401}`))
	})
	g := newGateway(served(t, http.NotFoundHandler()), served(t, verifier))
	recorder := httptest.NewRecorder()
	g.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/customers", http.NoBody))
	got := recorder.Result()
	got.Header.Del("Date")
	want := http.Header{
		"Content-Type": {"application/problem+json"}, "Www-Authenticate": {"Bearer"}, "X-Apikey-Reason": {"missing"}, "Content-Length": {"14"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if recorder.Code != http.StatusUnauthorized || recorder.Body.String() != `{"status":401}` {
		t.Errorf("answered %d %s", recorder.Code, recorder.Body)
	}
}
