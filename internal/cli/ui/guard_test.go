// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/cli/ui"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// raw sends bytes and returns the status line of the answer; empty: the server closed the connection without one.
func (s *served) raw(request string) string {
	s.t.Helper()
	connection, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.address, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(connection, request); err != nil {
		return ""
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return ""
	}

	return strings.TrimSpace(line)
}

// cookies returns the Cookie header of the browser.
func (s *served) cookies() string {
	s.t.Helper()
	at, err := url.Parse(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, cookie := range s.browser.Jar.Cookies(at) {
		all = append(all, cookie.Name+"="+cookie.Value)
	}

	return strings.Join(all, "; ")
}

// TestForeignHost: a name that an attacker makes resolve to loopback reaches nothing, not even the page that takes the token, also in a
// browser that has the session.
func TestForeignHost(t *testing.T) {
	s := serve(t, nil).enter()
	host := strings.TrimPrefix(s.address, "http://")
	_, port, _ := net.SplitHostPort(host)
	cookies := s.cookies()
	for _, path := range []string{"/", "/enter", "/session", "/assets/page.js", "/changes", "/keys/a/b", "/nowhere"} {
		for name, request := range map[string]string{
			"another name":          "GET %s HTTP/1.1\r\nHost: attacker.example:" + port,
			"localhost":             "GET %s HTTP/1.1\r\nHost: localhost:" + port,
			"a trailing dot":        "GET %s HTTP/1.1\r\nHost: 127.0.0.1.:" + port,
			"no port":               "GET %s HTTP/1.1\r\nHost: 127.0.0.1",
			"another port":          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:1",
			"IPv6":                  "GET %s HTTP/1.1\r\nHost: [::1]:" + port,
			"IPv6 with IPv4 inside": "GET %s HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:" + port,
			"another spelling":      "GET %s HTTP/1.1\r\nHost: 127.1:" + port,
			"a number":              "GET %s HTTP/1.1\r\nHost: 2130706433:" + port,
			"upper case":            "GET %s HTTP/1.1\r\nHost: LOCALHOST:" + port,
			"a user":                "GET %s HTTP/1.1\r\nHost: x@" + host,
			"a suffix":              "GET %s HTTP/1.1\r\nHost: " + host + ".attacker.example",
			"nothing":               "GET %s HTTP/1.1\r\nHost: ",
			"no header":             "GET %s HTTP/1.0",
			"two headers":           "GET %s HTTP/1.1\r\nHost: " + host + "\r\nHost: attacker.example",
			"a target of another":   "GET http://attacker.example:" + port + "%s HTTP/1.1\r\nHost: " + host,
			"an absolute target":    "GET http://" + host + "%s HTTP/1.1\r\nHost: attacker.example",
			"a proxy's target":      "GET http://" + host + "%s HTTP/1.1\r\nHost: " + host,
		} {
			answer := s.raw(fmt.Sprintf(request, path) + "\r\nCookie: " + cookies + "\r\nConnection: close\r\n\r\n")
			if !strings.Contains(answer, " 421 ") && !strings.Contains(answer, " 400 ") {
				t.Errorf("%s at %s: %q", name, path, answer)
			}
		}
	}
	if answer := s.raw("GET /enter HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, " 200 ") {
		t.Errorf("the right host: %q", answer)
	}
}

// TestForeignOrigin: a request that a browser marks as that of another site, port or sandbox does nothing, with the cookie and without.
func TestForeignOrigin(t *testing.T) {
	s := serve(t, nil)
	refused := func(when string) {
		for name, header := range map[string][2]string{
			"another site":     {"Origin", "https://attacker.example"},
			"a sandbox":        {"Origin", "null"},
			"another port":     {"Origin", "http://127.0.0.1:1"},
			"another scheme":   {"Origin", strings.Replace(s.address, "http:", "https:", 1)},
			"a trailing slash": {"Origin", s.address + "/"},
			"an empty origin":  {"Origin", ""},
			"a cross-site":     {"Sec-Fetch-Site", "cross-site"},
			"a same-site":      {"Sec-Fetch-Site", "same-site"},
			"an unknown site":  {"Sec-Fetch-Site", "anything"},
		} {
			for _, target := range []struct{ method, path string }{
				{http.MethodPost, "/session"}, {http.MethodPost, "/keys/a/b/revoke"}, {http.MethodPost, "/create"}, {http.MethodGet, "/"},
				{http.MethodGet, "/keys/a/b"}, {http.MethodGet, "/keys/a/b/once"}, {http.MethodGet, "/changes"},
			} {
				r := s.request(target.method, target.path, s.token)
				r.Header.Set(header[0], header[1])
				if code, _ := s.send(r); code != http.StatusForbidden {
					t.Errorf("%s: %s on %s %s: %d", when, name, target.method, target.path, code)
				}
			}
		}
	}
	refused("before the session")
	s.enter()
	refused("in the session")
	link := s.request(http.MethodGet, "/enter", "")
	link.Header.Set("Sec-Fetch-Site", "cross-site")
	if code, _ := s.send(link); code != http.StatusOK {
		t.Errorf("a link to /enter on another page: %d", code)
	}
}

// TestToken: the token of the link counts once, whole and in a body alone.
func TestToken(t *testing.T) {
	s := serve(t, nil)
	for name, token := range map[string]string{
		"none": "", "another": strings.Repeat("A", len(s.token)), "a part": s.token[:len(s.token)-1], "more": s.token + "A", "a space": s.token + "\n",
	} {
		if code, _ := s.post("/session", token); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, _ := s.get("/?token=" + s.token); code != http.StatusUnauthorized {
		t.Errorf("in the query: %d", code)
	}
	r := s.request(http.MethodGet, "/", "")
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Cookie", "apikey-ui="+s.token)
	if code, _ := s.send(r); code != http.StatusUnauthorized {
		t.Errorf("as a header: %d", code)
	}
	s.enter()
	other := *s
	other.browser = newBrowser(t)
	if code, _ := other.post("/session", s.token); code != http.StatusForbidden {
		t.Errorf("a second browser with the same token: %d", code)
	}
	code, text := other.get("/")
	if code != http.StatusUnauthorized || !strings.Contains(text, "This browser was not let in") || strings.Contains(text, "jane") {
		t.Errorf("a second browser: %d\n%s", code, text)
	}
	forged := other.request(http.MethodGet, "/", "")
	forged.Header.Set("Cookie", strings.SplitN(s.cookies(), "=", 2)[0]+"="+s.token)
	if code, _ := other.send(forged); code != http.StatusUnauthorized {
		t.Errorf("the token as the cookie: %d", code)
	}
}

// TestCookie: the cookie is kept from scripts and from requests of other sites, and belongs to this port.
func TestCookie(t *testing.T) {
	s := serve(t, nil)
	r := s.request(http.MethodPost, "/session", s.token)
	response, err := s.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	c := cookies[0]
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.address, "http://"))
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Domain != "" || !strings.HasSuffix(c.Name, port) || len(c.Value) < 43 || c.Value == s.token {
		t.Errorf("the cookie is %+v", c)
	}
}

// TestHeaders: every answer, also a refusal, forbids storing it, framing it, and running anything in it that is not the server's file.
func TestHeaders(t *testing.T) {
	s := serve(t, nil).enter()
	for _, target := range []struct{ method, path, host string }{
		{"GET", "/", ""}, {"GET", "/enter", ""}, {"GET", "/assets/page.css", ""}, {"GET", "/assets/page.js", ""}, {"GET", "/nowhere", ""},
		{"POST", "/session", ""}, {"DELETE", "/", ""}, {"GET", "/", "attacker.example"}, {"GET", "/keys/a/b", ""},
	} {
		r := s.request(target.method, target.path, "")
		if target.host != "" {
			r.Host = target.host
		}
		response, err := s.browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		policy := response.Header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, directive) {
				t.Errorf("%s %s: the policy %q lacks %q", target.method, target.path, policy, directive)
			}
		}
		if strings.Contains(policy, "unsafe") || response.Header.Get("Cache-Control") != "no-store" ||
			response.Header.Get("X-Frame-Options") != "DENY" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %v", target.method, target.path, response.Header)
		}
		for name := range response.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s allows other sites to read it: %s", target.method, target.path, name)
			}
		}
	}
}

// TestMethods: what is no reading and no form is refused, whatever the path.
func TestMethods(t *testing.T) {
	s := serve(t, nil).enter()
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"} {
		for _, path := range []string{"/", "/session", "/keys/a/b", "/keys/a/b/delete", "/assets/page.js"} {
			if code, _ := s.send(s.request(method, path, "")); code != http.StatusMethodNotAllowed && code != http.StatusBadRequest {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	host := strings.TrimPrefix(s.address, "http://")
	if answer := s.raw("CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"); strings.Contains(answer, " 200") {
		t.Errorf("CONNECT: %q", answer)
	}
	for _, path := range []string{"/keys/a/b/rotate", "/keys/a/b/revoke", "/keys/a/b/explain", "/session"} {
		if code, _ := s.get(path); code != http.StatusMethodNotAllowed && code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, code)
		}
	}
}

// TestReadOnly: no route that writes exists.
func TestReadOnly(t *testing.T) {
	s := serve(t, func(o *ui.Options) { o.ReadOnly = true }).enter()
	for _, path := range []string{
		"/create", "/create/check", "/keys/a/b/rotate", "/keys/a/b/rename", "/keys/a/b/suspend", "/keys/a/b/resume", "/keys/a/b/revoke", "/keys/a/b/delete",
		"/keys/a/b/once",
	} {
		if code, _ := s.submit(path, nil); code != http.StatusNotFound && code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, code)
		}
	}
	for _, path := range []string{"/create", "/keys/a/b/once"} {
		if code, _ := s.get(path); code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, code)
		}
	}
}

// TestPaths: a path that is no name of an APIKey, or leads out of the assets, is no page.
func TestPaths(t *testing.T) {
	s := serve(t, nil).enter()
	for _, path := range []string{
		"/keys/UPPER/web", "/keys/a/WEB", "/keys/a/b%2f..%2fc", "/keys/a/%00", "/keys/..%2f..%2fsecrets/x", "/keys/a/" + strings.Repeat("x", 254), "/keys/a",
		"/assets/..%2ftemplates%2flayout.html", "/assets/%2e%2e/templates/layout.html", "/templates/layout.html", "/api/v1/secrets", "/proxy",
	} {
		code, text := s.get(path)
		if code != http.StatusNotFound && code != http.StatusMovedPermanently && code != http.StatusTemporaryRedirect && code != http.StatusBadRequest ||
			strings.Contains(text, "{{") {
			t.Errorf("%s: %d\n%s", path, code, text)
		}
	}
}

// TestLimits: what a client sends is bounded.
func TestLimits(t *testing.T) {
	s := serve(t, nil).enter()
	host := strings.TrimPrefix(s.address, "http://")
	if code, _ := s.get("/?q=" + strings.Repeat("a", 4<<10)); code != http.StatusRequestURITooLong {
		t.Errorf("a long query: %d", code)
	}
	answer := s.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Long: " + strings.Repeat("a", 64<<10) + "\r\n\r\n")
	if answer != "" && !strings.Contains(answer, " 431 ") {
		t.Errorf("a long header: %q", answer)
	}
	if code, _ := s.submit("/keys/a/b/explain", url.Values{"key": {strings.Repeat("a", 80<<10)}}); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a long form: %d", code)
	}
	if code, _ := s.post("/session", strings.Repeat("a", 80<<10)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a long token: %d", code)
	}
}

// TestManyConnections: connections that send nothing keep no one out.
func TestManyConnections(t *testing.T) {
	s := serve(t, nil).enter()
	for range 300 {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }() //nolint:revive // all stay open until the end
	}
	if code, _ := s.get("/enter"); code != http.StatusOK {
		t.Errorf("%d", code)
	}
}

// TestKeyNowhere: a key that is typed into any field is in no answer and no address, and nothing is printed.
func TestKeyNowhere(t *testing.T) {
	key := testkit.ForeignKey()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, stdout := os.Stderr, os.Stdout
	os.Stderr, os.Stdout = writer, writer
	defer func() { os.Stderr, os.Stdout = stderr, stdout }()
	s := serve(t, nil).enter()
	for _, path := range []string{"/keys/a/b/explain", "/keys/a/b/rename", "/keys/a/b/delete", "/session"} {
		form := url.Values{"key": {key}, "value": {key}, "permission": {key}, "customer": {key}, "environment": {key}, "seen": {key}, "overlap": {key}}
		r := s.request(http.MethodPost, path, form.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := s.browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if strings.Contains(string(text)+fmt.Sprint(response.Header), key[8:30]) {
			t.Errorf("%s repeats the key:\n%s", path, text)
		}
	}
	searched, err := s.browser.Do(s.request(http.MethodGet, "/?q="+key, ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = searched.Body.Close()
	if searched.StatusCode != http.StatusSeeOther || searched.Header.Get("Location") != "/" {
		t.Errorf("a key as the search: %s to %q", searched.Status, searched.Header.Get("Location"))
	}
	s.stop()
	if err := <-s.ended; err == nil {
		t.Error("Serve returned no cause")
	}
	_ = writer.Close()
	if printed, err := io.ReadAll(reader); err != nil || len(printed) > 0 {
		t.Errorf("printed %q, %v", printed, err)
	}
}

// TestStop: when the context ends, the server ends, also while a tab follows changes.
func TestStop(t *testing.T) {
	s := serve(t, nil).enter()
	response, err := s.browser.Do(s.request(http.MethodGet, "/changes", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	s.stop()
	if err := <-s.ended; err == nil || errors.Is(err, ui.ErrIdle) {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.address, "http://")); err == nil {
		t.Error("the port is still open")
	}
}

// TestIdle: after an hour without a request the server ends. A tab that follows changes, or reads its view again, does not count.
func TestIdle(t *testing.T) {
	now := clocktesting.NewFakeClock(time.Now())
	s := serve(t, func(o *ui.Options) { o.Service.Clock = now }).enter()
	now.Step(59 * time.Minute)
	if code, _ := s.get("/nowhere"); code != http.StatusNotFound {
		t.Fatal(code)
	}
	now.Step(59 * time.Minute)
	response, err := s.browser.Do(s.request(http.MethodGet, "/changes", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	refresh := s.request(http.MethodGet, "/nowhere", "")
	refresh.Header.Set("X-Refresh", "1")
	if code, _ := s.send(refresh); code != http.StatusNoContent {
		t.Fatal(code)
	}
	select {
	case err := <-s.ended:
		t.Fatalf("it ended early: %v", err)
	default:
	}
	now.Step(time.Minute + time.Second)
	if err := <-s.ended; !errors.Is(err, ui.ErrIdle) {
		t.Errorf("Serve returned %v", err)
	}
}
