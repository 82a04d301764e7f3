// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// statusHeader tells nginx the code that it must not be given itself.
const statusHeader = "X-Apikey-Status"

// bodies are the problems of all reasons, written once.
type bodies [access.Reasons]string

func newBodies() bodies {
	var b bodies
	for reason := range access.Reasons {
		b[reason] = server.Problem(reason)
	}

	return b
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
}

func newHeaders() headers {
	h := headers{identity: server.IdentityNames(), noStore: []string{server.NoStore}}
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
	rateLimits(w, answer)
	w.WriteHeader(http.StatusOK)
}

// refuse answers with the code of the reason. For nginx a 429 is a 403: its auth_request makes a 500 of every other code.
func (h *Handler) refuse(w http.ResponseWriter, answer *server.Answer, nginx bool) {
	code := answer.Reason.Code()
	to := w.Header()
	to.Set(server.HeaderReason, answer.Reason.String())
	to.Set(server.HeaderContentType, server.ProblemType)
	to.Set(server.HeaderCacheControl, server.NoStore)
	if challenge := server.Challenge(answer.Reason); challenge != "" {
		to.Set(server.HeaderChallenge, challenge)
	}
	rateLimits(w, answer)
	if nginx && code < http.StatusInternalServerError {
		to.Set(statusHeader, strconv.Itoa(code))
		if code == http.StatusTooManyRequests {
			code = http.StatusForbidden
		}
	}
	to.Set("Content-Length", strconv.Itoa(len(h.bodies[answer.Reason])))
	w.WriteHeader(code)
	_, _ = io.WriteString(w, h.bodies[answer.Reason]) // whoever has hung up needs no answer
}

// rateLimits says what is left of the key's limit, where it has one.
func rateLimits(w http.ResponseWriter, answer *server.Answer) {
	policy, left, retryAfter := answer.RateLimits()
	if policy == "" {
		return
	}
	w.Header().Set(server.HeaderRateLimitPolicy, policy)
	w.Header().Set(server.HeaderRateLimit, left)
	if retryAfter != "" {
		w.Header().Set(server.HeaderRetryAfter, retryAfter)
	}
}
