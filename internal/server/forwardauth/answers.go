// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// statusHeader tells nginx the code that it must not be given itself.
const statusHeader = "X-Apikey-Status"

// refusals are the answers to requests that are refused, made once: whoever sends many such requests must not cost much.
type refusals [access.Reasons]refusal

type refusal struct {
	// headers are those of every such answer. Nobody changes the values.
	headers http.Header
	code    []string
	body    string
}

func newRefusals() *refusals {
	r := &refusals{}
	for reason := range access.Reasons {
		body, headers := server.Problem(reason), http.Header{}
		headers.Set(server.HeaderReason, reason.String())
		headers.Set(server.HeaderContentType, server.ProblemType)
		headers.Set(server.HeaderCacheControl, server.NoStore)
		headers.Set("Content-Length", strconv.Itoa(len(body)))
		if challenge := server.Challenge(reason); challenge != "" {
			headers.Set(server.HeaderChallenge, challenge)
		}
		r[reason] = refusal{headers: headers, code: []string{strconv.Itoa(reason.Code())}, body: body}
	}

	return r
}

// removeHeader tells Envoy, which asks in the second form, what to take off the request. Other gateways do not know it.
const removeHeader = "X-Envoy-Auth-Headers-To-Remove"

// headers are what allowed requests gain and lose.
type headers struct {
	// identity are the names of the identity headers as net/http spells them.
	identity [server.IdentityHeaders]string
	// removed is the value of removeHeader: the credential, and every look-alike.
	removed string
	// noStore is the value of Cache-Control, which nobody changes.
	noStore []string
	// policy, left and retryAfter are the names of the headers about limits as net/http spells them.
	policy, left, retryAfter string
}

func newHeaders() headers {
	h := headers{
		identity: server.IdentityNames(), noStore: []string{server.NoStore},
		policy: http.CanonicalHeaderKey(server.HeaderRateLimitPolicy), left: http.CanonicalHeaderKey(server.HeaderRateLimit),
		retryAfter: http.CanonicalHeaderKey(server.HeaderRetryAfter),
	}
	removed := []string{server.HeaderAuthorization, server.HeaderAPIKey}
	for _, name := range append(h.identity[:], server.HeaderAPIKey) {
		removed = append(removed, server.LookAlikes(name)...)
	}
	for i, name := range h.identity {
		h.identity[i] = http.CanonicalHeaderKey(name)
	}
	h.removed = strings.Join(removed, ",")

	return h
}

// allow answers 200 with all identity headers. One that the key has no value for is there and empty: gateways that copy
// headers then overwrite what the client has sent.
func (h *headers) allow(w http.ResponseWriter, answer *server.Answer) {
	values := server.Identity(answer.Grant) // one array for all the slices that a header map wants
	to := w.Header()
	for i, name := range h.identity {
		to[name] = values[i : i+1 : i+1]
	}
	to["Cache-Control"] = h.noStore // the eighth: a map grows with the ninth, so net/http adds Content-Length
	h.rateLimits(to, answer)
	w.WriteHeader(http.StatusOK)
}

// refuse answers with the code of the reason. For nginx a 429 is a 403: its auth_request makes a 500 of every other code.
func (h *Handler) refuse(w http.ResponseWriter, answer *server.Answer, nginx bool) {
	code, refusal, to := answer.Reason.Code(), &h.refusals[answer.Reason], w.Header()
	maps.Copy(to, refusal.headers)
	h.headers.rateLimits(to, answer)
	if nginx && code < http.StatusInternalServerError {
		to[statusHeader] = refusal.code
		if code == http.StatusTooManyRequests {
			code = http.StatusForbidden
		}
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, refusal.body) // whoever has hung up needs no answer
}

// rateLimits says what is left of the key's limit, where it has one.
func (h *headers) rateLimits(to http.Header, answer *server.Answer) {
	policy, left, retryAfter := answer.RateLimits()
	if policy == "" {
		return
	}
	values := [...]string{policy, left, retryAfter}
	to[h.policy], to[h.left] = values[:1:1], values[1:2:2]
	if retryAfter != "" {
		to[h.retryAfter] = values[2:]
	}
}
