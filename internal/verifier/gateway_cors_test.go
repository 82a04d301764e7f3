// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	page       = "https://app.example.com" // the origin that the samples allow
	secondPage = "https://admin.example.com"
)

// withCORS switches the recipe of a sample on, as its comment says.
func withCORS(more edit) edit {
	changes := edit{"#cors ": ""}
	maps.Copy(changes, more)

	return changes
}

// answersPages checks what pages of other origins may do: where the recipe of the sample is switched on, and where it is not.
func (s *site) answersPages(t *testing.T, p program) {
	t.Run("switched on", func(t *testing.T) {
		g := startGateway(t, p, s.address, s.ca, withCORS(nil))
		t.Run("a preflight needs no key", func(t *testing.T) { s.answersPreflights(t, g) })
		t.Run("what is no preflight of an allowed page needs a key", func(t *testing.T) { s.authenticatesOptions(t, g) })
		t.Run("every answer can be read", func(t *testing.T) { s.showsAnswers(t, g, limitedFor(p.Program)) })
		t.Run("other pages can read nothing", func(t *testing.T) { s.hidesAnswers(t, g) })
		t.Run("of two origins none but an allowed one is named", func(t *testing.T) { s.namesOneOrigin(t, g) })
	})
	for sentence, c := range map[string]struct {
		verifier string
		changes  edit
		status   int
	}{
		"no verifier":               {refusing, nil, http.StatusServiceUnavailable},
		"a route that says nothing": {s.address, edit{"environment=Production&permission=customers:read": ""}, http.StatusInternalServerError},
	} {
		t.Run(sentence+" can be read", func(t *testing.T) {
			g := startGateway(t, p, c.verifier, s.ca, withCORS(c.changes))
			answer := exchange(t, g.address, get("X-API-Key: "+s.keys["reader"], "Origin: "+page))
			answer.readable(t, c.status, page)
		})
	}
	t.Run("switched off", func(t *testing.T) {
		g := startGateway(t, p, s.address, s.ca, nil)
		for _, request := range []string{preflight(page), get("Origin: " + page), get("X-API-Key: "+s.keys["reader"], "Origin: "+page)} {
			exchange(t, g.address, request).unreadable(t, s.blank(request))
		}
	})
}

// refusing is an address that refuses connections. A free port would not do: the gateway could be given it for one of its own.
const refusing = "127.0.0.1:1"

// preflight is what a browser sends before a request with a key.
func preflight(origin string, more ...string) string {
	lines := append([]string{"Origin: " + origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-api-key"}, more...)

	return request("OPTIONS /customers/7 HTTP/1.1", lines...)
}

func (s *site) answersPreflights(t *testing.T, g *gateway) {
	for _, origin := range []string{page, secondPage} {
		for _, more := range []string{"Accept: */*", "X-API-Key: " + s.keys["reader"], "X-API-Key: nonsense"} {
			answer := exchange(t, g.address, preflight(origin, more))
			if answer.status != http.StatusOK && answer.status != http.StatusNoContent {
				t.Errorf("%s: a preflight is answered %d", origin, answer.status)
			}
			for name, want := range map[string][]string{
				"Access-Control-Allow-Origin":  {strings.ToLower(origin)},
				"Access-Control-Allow-Methods": {"get", "post", "put", "patch", "delete"},
				"Access-Control-Allow-Headers": {"authorization", "x-api-key", "content-type"},
			} {
				got := words(answer.header.Values(name))
				for _, word := range want {
					if !slices.Contains(got, word) {
						t.Errorf("%s: %s is %q, want %q in it", origin, name, got, word)
					}
				}
			}
			if calls := g.api.take(); len(calls) > 0 {
				t.Errorf("a preflight reaches the API: %q", s.blank(calls[0].raw))
			}
		}
	}
}

// authenticatesOptions sends what resembles a preflight.
func (s *site) authenticatesOptions(t *testing.T, g *gateway) {
	for sentence, lines := range map[string][]string{
		"nothing of one":             {"OPTIONS"},
		"no method asked for":        {"OPTIONS", "Origin: " + page},
		"an empty method asked for":  {"OPTIONS", "Origin: " + page, "Access-Control-Request-Method:"},
		"no origin":                  {"OPTIONS", "Access-Control-Request-Method: GET"},
		"an empty origin":            {"OPTIONS", "Origin:", "Access-Control-Request-Method: GET"},
		"another method":             {"GET", "Origin: " + page, "Access-Control-Request-Method: GET"},
		"another method with a body": {"POST", "Origin: " + page, "Access-Control-Request-Method: GET"},
		"a page that is not allowed": {"OPTIONS", "Origin: https://evil.example.com", "Access-Control-Request-Method: GET"},
		"a method in small letters":  {"options", "Origin: " + page, "Access-Control-Request-Method: GET"},
	} {
		t.Run(sentence, func(t *testing.T) {
			bare := request(lines[0]+" /customers HTTP/1.1", lines[1:]...)
			if answer := exchange(t, g.address, bare); answer.status != http.StatusUnauthorized && answer.status != http.StatusBadRequest {
				t.Errorf("without a key it is answered %d, want 401", answer.status)
			}
			if calls := g.api.take(); len(calls) > 0 {
				t.Errorf("without a key it reaches the API: %q", s.blank(calls[0].raw))
			}
			if lines[0] == "options" {
				return // programs may refuse a method that they do not know
			}
			exchange(t, g.address, request(lines[0]+" /customers HTTP/1.1", append(lines[1:], "X-API-Key: "+s.keys["reader"])...)).is(t, http.StatusOK, "")
			s.reached(t, g, s.keys["reader"], http.StatusOK)
		})
	}
}

// showsAnswers checks that an allowed page can read the answers to its requests.
func (s *site) showsAnswers(t *testing.T, g *gateway, limitedKey string) {
	for key, status := range map[string]int{
		"": http.StatusUnauthorized, "suspended": http.StatusUnauthorized, "writer": http.StatusForbidden, "reader": http.StatusOK, "owned": http.StatusOK,
	} {
		line := "X-API-Key: " + s.keys[key]
		if key == "" {
			line = "Accept: */*"
		}
		for _, origin := range []string{page, secondPage} {
			exchange(t, g.address, get(line, "Origin: "+origin)).readable(t, status, origin)
		}
	}
	used := get("X-API-Key: "+s.keys[limitedKey], "Origin: "+page)
	exchange(t, g.address, used) // whatever is left of the limit, that was it
	exchange(t, g.address, used).readable(t, http.StatusTooManyRequests, page)
}

// hidesAnswers checks that a page that is not allowed learns nothing.
func (s *site) hidesAnswers(t *testing.T, g *gateway) {
	for _, origin := range []string{
		"https://evil.example.com", "null", "http://app.example.com", page + ".evil.com", page + "x", page + ":8443", page + "/", "x" + page,
		"https://evil.com/" + page,
		"https://appxexample.com", "https://app.example.com evil", page + "," + "https://evil.example.com", "https://evil.example.com, " + page,
		"*", "https://*", ".*", "https://example.com",
	} {
		for _, request := range []string{preflight(origin), get("Origin: " + origin), get("X-API-Key: "+s.keys["reader"], "Origin: "+origin)} {
			exchange(t, g.address, request).unreadable(t, s.blank(request))
		}
		for _, call := range g.api.take() {
			if call.method == http.MethodOptions {
				t.Errorf("a preflight of %q reaches the API", origin)
			}
		}
	}
}

// namesOneOrigin checks that of two origins, which no browser sends, none but an allowed one is named.
func (s *site) namesOneOrigin(t *testing.T, g *gateway) {
	const evil = "https://evil.example.com"
	for _, origins := range []string{evil + "\r\nOrigin: " + page, page + "\r\nOrigin: " + evil} {
		for _, request := range []string{preflight(origins), get("X-API-Key: "+s.keys["reader"], "Origin: "+origins)} {
			answer := exchange(t, g.address, request)
			if got := answer.header.Values("Access-Control-Allow-Origin"); strings.Contains(strings.Join(got, ","), "evil") {
				t.Errorf("%q is answered with Access-Control-Allow-Origin: %q", s.blank(request), got)
			}
		}
		for _, call := range g.api.take() {
			s.isOf(t, call, s.keys["reader"])
		}
	}
}

// readable checks that the page of an origin can read an answer, and what it says about limits and reasons.
func (a answer) readable(t *testing.T, status int, origin string) {
	t.Helper()
	if a.status != status {
		t.Errorf("answered %d, want %d; it said %q", a.status, status, a.body)
	}
	if got := a.header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != origin {
		t.Errorf("%d: Access-Control-Allow-Origin is %q, want %q", status, got, origin)
	}
	exposed := words(a.header.Values("Access-Control-Expose-Headers"))
	for _, name := range []string{"x-apikey-reason", "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate"} {
		if !slices.Contains(exposed, name) {
			t.Errorf("%d: a page may read %q, want %s in it", status, exposed, name)
		}
	}
	if !slices.Contains(words(a.header.Values("Vary")), "origin") {
		t.Errorf("%d: caches are told to tell apart %q, want Origin in it", status, a.header.Values("Vary"))
	}
	if a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d: cookies are let through", status)
	}
}

// unreadable checks that no page can read an answer.
func (a answer) unreadable(t *testing.T, request string) {
	t.Helper()
	for name, values := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%q is answered %d with %s: %q", request, a.status, name, values)
		}
	}
}

// words are what the values of a header list, in small letters.
func words(values []string) (list []string) {
	for word := range strings.SplitSeq(strings.Join(values, ","), ",") {
		list = append(list, strings.ToLower(strings.TrimSpace(word)))
	}

	return list
}
