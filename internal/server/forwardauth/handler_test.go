// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestPaths is about who decides what an endpoint needs: the gateway, and never the client behind it.
func TestPaths(t *testing.T) {
	key := testkit.ForeignKey()
	handler := forwardauth.New(testkit.NewVerifier(t, key))
	for target, want := range map[string]int{
		"/verify?environment=Production":                        200,
		"/verify?environment=Production&mode=nginx":             200,
		"/verify?environment=Staging":                           401,
		"/verify?environment=Production&permission=a":           403,
		"/verify?environment=Production&environment=Production": 500,
		"/verify?environment=Production&mode=apache":            500,
		"/verify?environment=Production&mode=nginx&mode=nginx":  500,
		"/verify?environment=Production&permission=%zz":         500,
		"/verify?environment=Production&":                       200,
		"/verify?environment=Production&&permission=a":          500,
		"/verify?":                        500,
		"/verify":                         500,
		"/verify/environment=Production/": 200,
		"/verify/environment=Production/customers?environment=Staging":    200,
		"/verify/environment=Staging/customers?environment=Production":    401,
		"/verify/environment=Staging/environment=Production/":             401,
		"/verify/environment=Staging/../environment=Production/":          401,
		"/verify/environment=Staging/%2e%2e/environment=Production/":      401,
		"/verify/environment=Production&permission=a/?permission=b":       403,
		"/verify/environment=Production;/":                                200,
		"/verify/environment=Production;/customers?environment=Staging":   200,
		"/verify/environment=Production;/customers;environment=Staging/x": 200,
		"/verify/environment=Staging;/environment=Production;/":           401,
		"/verify/environment=Production&permission=a;/customers":          403,
		"/verify/environment=Production&permission=a;b/customers":         404,
		"/verify/environment=Production&permission=a;:b/customers":        404,
		"/verify/environment=Production;&permission=a/customers":          404,
		"/verify/environment=Production;&identity=id/customers":           404,
		"/verify/environment=Production;customers/17":                     404,
		"/verify/environment=Production;;/customers":                      404,
		"/verify/environment=Production;*":                                404,
		"/verify/environment=Production;":                                 404,
		"/verify/environment=Production;?x=/":                             404,
		"/verify/environment=Production*":                                 404,
		"/verify/environment=Productionx/":                                500,
		"/verify/;/":                                                      500,
		"/verify/environment=Production%3B/":                              500,
		"/verify/environment=Production%2Fx/":                             500,
		"/verify/environment%3DProduction/":                               500,
		"/verify/?environment=Production":                                 404,
		"/verify//?environment=Production":                                500,
		"/verify//environment=Production/":                                500,
		"/verify/environment=Production":                                  404,
		"/verify/environment=Production?x=/":                              404,
		"/verify*?environment=Production":                                 404,
		"/verifyx?environment=Production":                                 404,
		"/Verify?environment=Production":                                  404,
		"/./verify?environment=Production":                                404,
		"//verify?environment=Production":                                 404,
		"/x/../verify?environment=Production":                             404,
		"/?environment=Production":                                        404,
		"/":                                                               404,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, "BREW"} {
			r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
			r.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s %s: %d, want %d", method, target, w.Code, want)
			}
		}
	}
}

// nginx makes a 500 of every answer but success, 401 and 403, and drops the body; it must still learn what the answer is.
func TestModeNginx(t *testing.T) {
	handler := forwardauth.New(testkit.NewVerifier(t, testkit.ForeignKey()))
	for target, want := range map[string][2]string{
		"/verify?environment=Production&mode=nginx": {"401", "401"},
		"/verify?environment=Production":            {"401", ""},
		"/verify?mode=nginx":                        {"500", "500"},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody))
		if w.Result().Status[:3] != want[0] || w.Header().Get("X-Apikey-Status") != want[1] {
			t.Errorf("%s: %s with status %q, want %v", target, w.Result().Status, w.Header().Get("X-Apikey-Status"), want)
		}
		problem := strings.TrimSpace(w.Body.String())
		if want[1] == "" {
			problem = ""
		}
		if got := w.Header().Get("X-Apikey-Problem"); got != problem {
			t.Errorf("%s: the problem is %q, want %q", target, got, problem)
		}
	}
}

func TestAllowedRequestsHaveEveryIdentityHeader(t *testing.T) {
	key := testkit.ForeignKey()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/verify?environment=Production", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	forwardauth.New(testkit.NewVerifier(t, key)).ServeHTTP(w, r)
	for _, name := range server.IdentityNames() {
		if len(w.Header().Values(name)) != 1 {
			t.Errorf("%s is there %d times, want once, empty or not", name, len(w.Header().Values(name)))
		}
	}
	if w.Body.Len() != 0 {
		t.Errorf("there is a body: %s", w.Body)
	}
}

// Envoy takes off what it is told to; the other form is for gateways whose configuration says it.
func TestEnvoyIsToldWhatToRemove(t *testing.T) {
	key := testkit.ForeignKey()
	handler := forwardauth.New(testkit.NewVerifier(t, key))
	for target, told := range map[string]bool{"/verify/environment=Production/": true, "/verify?environment=Production": false} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		r.Header.Set("X-Api-Key", key)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		removed := strings.Split(w.Header().Get("X-Envoy-Auth-Headers-To-Remove"), ",")
		for _, name := range []string{"authorization", "x-api-key", "x_api_key", "x_apikey_id", "x.apikey.owner"} {
			if slices.Contains(removed, name) != told {
				t.Errorf("%s: %s is removed: %t, want %t", target, name, !told, told)
			}
		}
		for _, name := range server.IdentityNames() {
			if slices.Contains(removed, name) {
				t.Errorf("%s: %s is set and removed", target, name)
			}
		}
	}
}

// Whatever a gateway sends: no panic, and no 200 without the one live key, presented once, to a path that says Production.
func FuzzHandler(f *testing.F) {
	key := testkit.ForeignKey()
	handler := forwardauth.New(testkit.NewVerifier(f, key))
	for _, seed := range []string{
		"GET /verify?environment=Production HTTP/1.1\r\nX-API-Key: KEY\r\n\r\n",
		"GET /verify/environment=Production/x?environment=Staging HTTP/1.1\r\nAuthorization: Bearer KEY\r\n\r\n",
		"GET /verify?environment=Production HTTP/1.1\r\nX-API-Key: KEY\r\nX_API_Key: KEY\r\n\r\n",
		"GET /verify?environment=Production HTTP/1.1\r\nX-API-Key: KEY\r\nAuthorization: Bearer KEY\r\n\r\n",
		"GET http://a/verify?environment=Production HTTP/1.0\r\nX-API-Key: KEY,KEY\r\n\r\n",
		"\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(text, "KEY", key)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return // net/http refuses it
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return
		}
		if count := strings.Count(strings.Join(r.Header["X-Api-Key"], "\n")+"\n"+strings.Join(r.Header["Authorization"], "\n"), key); count != 1 {
			t.Fatalf("allowed with %d keys: %q", count, text)
		}
		if !strings.Contains(r.URL.String(), "environment=Production") {
			t.Fatalf("allowed to an endpoint of no environment: %q", text)
		}
	})
}
