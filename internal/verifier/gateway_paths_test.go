// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// twoReadings are paths that programs read differently: {up} stands for all ways to write "..", {slash} for all to write "/".
var twoReadings = []string{
	"/customers/{up}{slash}admin",
	"/customers{slash}{up}/admin",
	"/customers/7{slash}{up}{slash}{up}{slash}admin/delete",
	"/customers{slash}admin",
	"/customers/{up}",
	"/admin/{up}{slash}customers",
	"/admin{slash}{up}/customers",
	"//customers",
	"/customers//",
	"/customers//admin",
	"/customers/./admin",
	"/customers/.",
	"/./customers",
	"/customers/%2e/admin",
	"/customers/;/admin",
	"/customers/.;/admin",
	"/customers/admin;",
	"/customers/admin;v=1",
	"/customers;v=1/admin",
	"/customers/admin%3b",
	"/customers/x;/../admin",
	"/customers/admin%00",
	"/customers/admin%00.html",
	"/customers%0a",
	"/customers/admin%0d%0a",
	"/customers/%09../admin",
	"/customers/..%00/admin",
	"/customers/admin%7f",
	"/customers/%61dmin",
	"/customers/%2561dmin",
	"/%63ustomers",
	"/%61dmin",
	"/customers/adm%69n",
	"/customers/%41dmin",
	"/customers/a%2db",
	"/customers/%",
	"/customers/%2",
	"/customers/%zz",
	"/customers/%u002e%u002e/admin",
	"/customers/%2%65%2%65/admin",
	"/customers/%%32%65/admin",
	"/customers/#/../admin",
	"/customers/a#b",
	"/customers/caf\xc3\xa9",
	"/customers/\xc0\xae\xc0\xae/admin",
	"/customers/a\x7fb",
	"http://api.example.com/customers/..%2fadmin",
	"http://api.example.com//customers",
	"http://api.example.com/customers/../admin",
	"/customers/..%2fadmin?a=b",
	"/customers/%2e%2e?",
	"/customers\\admin",
	"/customers/%?a=b",
	"/customers/%2?a=b",
}

var (
	ups = []string{
		"..",
		"%2e%2e",
		"%2E.",
		".%2e",
		"%252e%252e",
		"%25252e.",
		"%c0%ae%c0%ae",
		"%e0%80%ae.",
		"%f0%80%80%ae.",
		"..;",
		"..;v=1",
		"..%3b",
		"..%253bv",
	}
	slashes = []string{
		"/",
		"%2f",
		"%2F",
		"%5c",
		"\\",
		"%252f",
		"%25255C",
		"%c0%af",
		"%c1%9c",
		"%e0%80%af",
		"%f0%80%80%af",
		"%f8%80%80%80%af",
		"%fc%80%80%80%80%af",
		"%25c0%25af",
	}
)

// alwaysRefused are those that no gateway may rewrite instead.
var alwaysRefused = []string{
	"/customers/..%2fadmin", "/customers/..;/admin", "/customers/%5c..", "/customers/a%00b", "//customers", "/customers//admin", "/customers/./admin",
	"/customers/../admin", "/customers/%2e%2e/admin", "/customers/%2e/admin", "/customers%2f..%2fadmin", "/customers/..%252fadmin", "/customers/..%5cadmin",
	"/customers/..\\admin", "/customers/..%3b/admin", "/customers/%c0%ae%c0%ae/admin", "/customers/admin%00", "/customers/;/admin", "/customers/.",
}

// oneReading are request targets that all programs read as the same path, which a gateway lets through.
var oneReading = []string{
	"/customers",
	"/customers/",
	"/customers/7",
	"/customers/a.b",
	"/customers/...",
	"/customers/..a",
	"/customers/a..",
	"/customers/.well-known",
	"/customers/a%20b",
	"/customers/caf%c3%a9",
	"/customers/%e2%82%ac",
	"/customers/%f0%9f%98%80",
	"/customers/100%25",
	"/customers/100%25off",
	"/customers/50%2520x",
	"/customers/a@b:c=d,e+f!$&'()*",
	"/customers/a%40b",
	"/customers/~a-b_c",
	"/customers/a%3fb%23c",
	"/customers?a=//",
	"/customers?a=../..%2f%00;\\%5c",
	"/customers?a=%2e%2e/%zz",
	"/customers/?;",
	"/customers?",
	"/customers??//",
	"/customers?a=/../b;c",
	"http://api.example.com/customers",
	"http://api.example.com/customers/7?a=//",
}

// elsewhere are request targets that are no path of the API. A gateway may answer them itself.
var elsewhere = []string{
	"/",
	"/CUSTOMERS",
	"/Customers/7",
	"/customersx",
	"/customers.",
	"/verify",
	"http://api.example.com",
	"http://api.example.com?/customers",
	"*",
	"api.example.com:443",
	"customers",
	"",
}

// readsPathsAsTheAPI checks that no request gets to the API for a path that it could read as one with other requirements.
func (s *site) readsPathsAsTheAPI(t *testing.T, p program) {
	v := p.variant(t, "reads paths as the API does")
	asked := s.startRecorder(t)
	g := startGateway(t, p, asked.address, s.ca, v.stricter)
	send := func(target, key string) answer {
		method := map[string]string{"*": http.MethodOptions, "api.example.com:443": http.MethodConnect}[target]
		if method == "" {
			method = http.MethodGet
		}
		asked.take()
		answer := exchange(t, g.address, request(method+" "+target+" HTTP/1.1", "X-API-Key: "+s.keys[key]))
		permissions, calls := asked.take(), g.api.take()
		for _, call := range calls {
			checkReadings(t, call.target, permissions)
		}
		if (answer.status == http.StatusOK) != (len(calls) == 1) && method == http.MethodGet {
			t.Errorf("%q is answered %d, and the API got %d requests", target, answer.status, len(calls))
		}

		return answer
	}
	for _, target := range append(spelledOut(twoReadings), alwaysRefused...) {
		answer := send(target, "admin")
		if v.decodes && answer.status/100 != 5 && !slices.Contains(alwaysRefused, target) {
			continue // what reached the API has one reading, and its requirements were asked about
		}
		if reason := answer.header.Get("X-Apikey-Reason"); answer.status != http.StatusBadRequest || reason != "" && reason != "ambiguous_path" {
			t.Errorf("%q is answered %d, %q; want 400", target, answer.status, reason)
		}
	}
	for _, target := range oneReading {
		if answer := send(target, "reader"); answer.status != http.StatusOK {
			t.Errorf("%q is answered %d, want 200", target, answer.status)
		}
	}
	for _, target := range []string{"/admin", "/admin/delete", "/customers/admin", "/customers/admin/", "/customers/admin?a=//"} {
		if answer := send(target, "reader"); answer.status != http.StatusForbidden {
			t.Errorf("%q is answered %d without its permission, want 403", target, answer.status)
		}
		if answer := send(target, "admin"); answer.status != http.StatusOK {
			t.Errorf("%q is answered %d with its permission, want 200", target, answer.status)
		}
	}
	for _, target := range elsewhere {
		send(target, "admin")
	}
	if !v.bare {
		send("/customers/..%2fadmin", "admin").is(t, http.StatusBadRequest, "ambiguous_path")
		send("/customers//admin", "").is(t, http.StatusBadRequest, "ambiguous_path")
	}
}

// spelledOut replaces {up} and {slash} by each way to write them. At least one of both is not the usual one.
func spelledOut(patterns []string) (targets []string) {
	for _, pattern := range patterns {
		if !strings.Contains(pattern, "{") {
			targets = append(targets, pattern)

			continue
		}
		seen := map[string]bool{}
		for _, up := range ups {
			for _, slash := range slashes {
				target := strings.NewReplacer("{up}", up, "{slash}", slash).Replace(pattern)
				if !seen[target] && target != "/customers/admin" {
					targets = append(targets, target)
				}
				seen[target] = true
			}
		}
	}

	return targets
}

// overlong are the forms of characters that UTF-8 forbids and careless programs decode.
var overlong = strings.NewReplacer("\xc0\xaf", "/", "\xc1\x9c", "\\", "\xc0\xae", ".", "\xe0\x80\xaf", "/", "\xe0\x80\xae", ".", "\xf0\x80\x80\xaf", "/",
	"\xf0\x80\x80\xae", ".", "\xf8\x80\x80\x80\xaf", "/", "\xfc\x80\x80\x80\x80\xaf", "/")

// checkReadings checks that all readings of a request target need the permission that the verifier was asked about.
func checkReadings(t *testing.T, target string, asked []string) {
	t.Helper()
	raw, _, _ := strings.Cut(target, "?")
	decoded := raw
	for range 5 { // as it came, and decoded late, once or more often
		for _, reading := range []string{decoded, path.Clean(decoded), path.Clean(asFile(decoded))} {
			if needs := needed(reading); len(asked) != 1 || asked[0] != needs {
				t.Errorf("the API reads %q as %q, which needs %s; the verifier was asked about %q", target, reading, needs, asked)
			}
		}
		next, err := url.PathUnescape(decoded)
		if err != nil {
			t.Errorf("the API cannot decode %q", target)
		}
		if next == decoded || strings.Contains(next, "%") && !regexp.MustCompile(`%[0-9a-fA-F]{2}`).MatchString(next) {
			break
		}
		decoded = next
	}
}

// asFile is a path as servers read it that look for files: backslashes are slashes, parameters and what follows a NUL do not count.
func asFile(decoded string) string {
	decoded, _, _ = strings.Cut(overlong.Replace(decoded), "\x00")

	return regexp.MustCompile(`;[^/]*`).ReplaceAllString(strings.ReplaceAll(decoded, "\\", "/"), "")
}

// needed is the permission that a path needs by the configuration with the stricter routes.
func needed(reading string) string {
	switch {
	case regexp.MustCompile(`^(/customers)?/admin(/|$)`).MatchString(reading):
		return "customers:admin"
	case regexp.MustCompile(`^/customers(/|$)`).MatchString(reading):
		return "customers:read"
	default:
		return "a permission that no key has"
	}
}

// recorder is on the way to the verifier, and notes what gateways ask about.
type recorder struct {
	address     string
	mu          sync.Mutex
	permissions []string
}

func (s *site) startRecorder(t *testing.T) *recorder {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(s.certificates, "tls.crt"), filepath.Join(s.certificates, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca)
	r := &recorder{}
	onward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: s.address})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: verifierName, MinVersion: tls.VersionTLS12}}
	onward.Transport = transport
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, permission, _ := strings.Cut(req.URL.String(), "permission=")
		r.mu.Lock()
		r.permissions = append(r.permissions, regexp.MustCompile(`^[^&/]*`).FindString(permission))
		r.mu.Unlock()
		onward.ServeHTTP(w, req)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	r.address = server.Listener.Addr().String()

	return r
}

// take returns the permissions that were asked about since it was last called.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	permissions := r.permissions
	r.permissions = nil

	return permissions
}
