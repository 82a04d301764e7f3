// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// Path is where the handler answers.
const Path = "/verify"

// endOfNeeds ends the gateway's part of the second form of the URL. No value of a requirement holds it.
const endOfNeeds = ';'

// Parameter "mode" and its only value: answer only what nginx's auth_request lets through.
const (
	modeParameter = "mode"
	modeNginx     = "nginx"
)

// Handler answers gateways.
type Handler struct {
	verifier *server.Verifier
	refusals refusals
	headers  headers
}

// New makes a Handler. It looks at paths itself: a mux would clean them, and clean paths are not what the client sent.
func New(verifier *server.Verifier) *Handler {
	return &Handler{verifier: verifier, refusals: newRefusals(verifier.Credentials()), headers: newHeaders(verifier.Credentials())}
}

// ServeHTTP decides one request. Paths other than the two forms are not found: a gateway takes that for a refusal.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	needs, own, found := parts(r.URL)
	if !found {
		http.NotFound(w, r)

		return
	}
	request := server.Request{Method: r.Method, Host: r.Host, Path: own}
	if own == "" {
		forwarded(&request, r.Header)
	}
	nginx := parse(&request.Needs, needs)
	h.credential(&request.Credential, r.Header)

	answer := h.verifier.Verify(r.Context(), &request)
	if answer.Allowed() {
		if own != "" {
			h.headers.remove(w.Header(), &answer)
		}
		h.headers.allow(w, &answer)

		return
	}
	h.refuse(w, &answer, nginx)
}

// parts takes a URL apart into what the endpoint needs and the client's own path, which is empty in the first form.
func parts(u *url.URL) (needs, own string, found bool) {
	path := u.EscapedPath()
	if path == Path {
		return u.RawQuery, "", true
	}
	rest, found := strings.CutPrefix(path, Path+"/")
	if !found {
		return "", "", false
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 { // the client's path begins with no slash
		return "", "", false
	}
	needs, own = rest[:slash], rest[slash:]
	if semicolon := strings.IndexByte(needs, endOfNeeds); semicolon >= 0 {
		return needs[:semicolon], own, semicolon == len(needs)-1
	}

	return needs, own, true
}

// parse reads what the endpoint needs, and says whether it is nginx that asks.
func parse(needs *server.Needs, query string) (nginx bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		decoded, err := url.QueryUnescape(value)
		switch {
		case err != nil:
			needs.Complain("the value of " + name + " is not encoded as a query must be")
		case name == modeParameter && decoded == modeNginx && !nginx:
			nginx = true
		default:
			needs.Set(name, decoded)
		}
	}

	return nginx
}

// credential reads the headers that carry one, and those that some servers take for them.
func (h *Handler) credential(c *server.Credential, headers http.Header) {
	known := h.verifier.Credentials()
	for name, values := range headers {
		switch kind, header := known.Kind(name); kind {
		case server.Carrier:
			for _, value := range values {
				c.Take(header, value)
			}
		case server.CarrierLookAlike:
			c.LookAlike(header)
		default: // says nothing here: the gateway takes the client's identity headers off
		}
	}
}

// forwarded reads what the gateway says about the client's request. It is only logged: some gateways pass on what the
// client has put there. The names are as net/http spells them, so that they are looked up as they stand.
func forwarded(request *server.Request, headers http.Header) {
	first := func(name, other string) string {
		if values := headers[name]; len(values) > 0 && values[0] != "" {
			return values[0]
		}
		if values := headers[other]; len(values) > 0 {
			return values[0]
		}

		return ""
	}
	request.Method = first("X-Forwarded-Method", "X-Original-Method")
	request.Host = first("X-Forwarded-Host", "X-Original-Host")
	request.Path = first("X-Forwarded-Uri", "X-Original-Uri")
}
