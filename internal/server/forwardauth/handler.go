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

// New returns a Handler. It matches paths itself, because a mux would clean them.
func New(verifier *server.Verifier) *Handler {
	return &Handler{verifier: verifier, refusals: newRefusals(verifier.Credentials()), headers: newHeaders(verifier.Credentials())}
}

// ServeHTTP decides one request. It answers 404 to other paths than the two forms, which a gateway treats as a refusal.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	needs, clientPath, found := splitVerifyURL(r.URL)
	if !found {
		http.NotFound(w, r)

		return
	}
	request := server.Request{Method: r.Method, Host: r.Host, Path: clientPath}
	if clientPath == "" {
		readForwarded(&request, r.Header)
	}
	nginx := parseNeeds(&request.Needs, needs)
	h.readCredential(&request.Credential, r.Header)

	answer := h.verifier.Verify(r.Context(), &request)
	if answer.Allowed() {
		if clientPath != "" {
			h.headers.remove(w.Header(), &answer)
		}
		h.headers.allow(w, &answer)

		return
	}
	h.refuse(w, &answer, nginx)
}

// splitVerifyURL splits a URL into what the endpoint needs and the client's path, which is empty in the first form.
func splitVerifyURL(u *url.URL) (needs, clientPath string, found bool) {
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
	needs, clientPath = rest[:slash], rest[slash:]
	if semicolon := strings.IndexByte(needs, endOfNeeds); semicolon >= 0 {
		return needs[:semicolon], clientPath, semicolon == len(needs)-1
	}

	return needs, clientPath, true
}

// parseNeeds parses what the endpoint needs. It returns true for nginx.
func parseNeeds(needs *server.Needs, query string) (nginx bool) {
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

// readCredential reads the headers that carry a key, and their look-alikes.
func (h *Handler) readCredential(c *server.Credential, headers http.Header) {
	credentials := h.verifier.Credentials()
	for name, values := range headers {
		switch kind, header := credentials.Kind(name); kind {
		case server.Carrier:
			for _, value := range values {
				c.Take(header, value)
			}
		case server.CarrierLookAlike:
			c.LookAlike(header)
		default: // the gateway removes identity headers of the client
		}
	}
}

// readForwarded reads method, host and path of the client's request, for the log alone: some gateways pass on what the client has
// sent under these names. The names are spelled as net/http spells them, so that they are found without being converted.
func readForwarded(request *server.Request, headers http.Header) {
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
