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

// Headers for nginx, which lets neither the code nor the body of an answer through.
const (
	// statusHeader is the code of the answer.
	statusHeader = "X-Apikey-Status"
	// problemHeader is the body of a refusal.
	problemHeader = "X-Apikey-Problem"
)

// refusals are the answers to refused requests, by the number of the header in which the endpoint wants the key; the last ones are for
// any header. They are made once, so that refused requests cost little.
type refusals [][access.Reasons]refusal

type refusal struct {
	// headers are those of every such answer. The values are not changed.
	headers http.Header
	// code and problem are the values of statusHeader and problemHeader.
	code, problem []string
	body          string
}

func newRefusals(credentials *server.CredentialHeaders) refusals {
	var r refusals
	for _, header := range append(credentials.Names(), "") {
		var answers [access.Reasons]refusal
		for reason := range access.Reasons {
			answers[reason] = newRefusal(reason, header)
		}
		r = append(r, answers)
	}

	return r
}

func newRefusal(reason access.Reason, credential string) refusal {
	body, headers := server.Problem(reason, credential), http.Header{}
	headers.Set(server.HeaderReason, reason.String())
	headers.Set(server.HeaderContentType, server.ProblemType)
	headers.Set(server.HeaderCacheControl, server.NoStore)
	headers.Set("Content-Length", strconv.Itoa(len(body)))
	if challenge := server.Challenge(reason, credential); challenge != "" {
		headers.Set(server.HeaderChallenge, challenge)
	}
	if retryAfter := server.RetryAfter(reason); retryAfter != "" {
		headers.Set(server.HeaderRetryAfter, retryAfter)
	}

	return refusal{headers: headers, code: []string{strconv.Itoa(reason.Code())}, problem: []string{strings.TrimSpace(body)}, body: body}
}

// of returns the answer to a refused request.
func (r refusals) of(answer *server.Answer) *refusal {
	if answer.Header == server.AnyHeader {
		return &r[len(r)-1][answer.Reason]
	}

	return &r[answer.Header][answer.Reason]
}

// removeHeader tells Envoy, which uses the second form, what to remove from the request. Other gateways do not know it.
const removeHeader = "X-Envoy-Auth-Headers-To-Remove"

// headers are what allowed requests gain and lose.
type headers struct {
	// identity are the names of the identity headers as net/http spells them.
	identity [server.IdentityHeaders]string
	// removed are values of removeHeader, by the number of the header that the endpoint wants the key in; the last is for any. Each is
	// the credential, and every look-alike of it and of the identity headers.
	removed []string
	// noStore is the value of Cache-Control. It is not changed.
	noStore []string
	// policy, left and retryAfter are the names of the headers about limits as net/http spells them.
	policy, left, retryAfter string
}

func newHeaders(credentials *server.CredentialHeaders) headers {
	h := headers{
		identity: server.IdentityNames(), noStore: []string{server.NoStore},
		policy: http.CanonicalHeaderKey(server.HeaderRateLimitPolicy), left: http.CanonicalHeaderKey(server.HeaderRateLimit),
		retryAfter: http.CanonicalHeaderKey(server.HeaderRetryAfter),
	}
	var identity, all []string
	for _, name := range h.identity {
		identity = append(identity, server.LookAlikes(name)...)
	}
	for _, name := range credentials.Names() {
		one := append([]string{name}, server.LookAlikes(name)...)
		h.removed = append(h.removed, strings.Join(append(one, identity...), ","))
		all = append(all, one...)
	}
	h.removed = append(h.removed, strings.Join(append(all, identity...), ","))
	for i, name := range h.identity {
		h.identity[i] = http.CanonicalHeaderKey(name)
	}
	return h
}

// allow answers 200 with the identity headers that the endpoint wants. A header without a value is sent empty, so that gateways that
// copy headers overwrite what the client has sent. The gateway removes the others.
func (h *headers) allow(w http.ResponseWriter, answer *server.Answer) {
	values := server.Identity(answer.Grant, answer.Identity) // one array for all the slices that a header map wants
	to := w.Header()
	for i, name := range h.identity {
		if answer.Identity.Has(i) {
			to[name] = values[i : i+1 : i+1]
		}
	}
	to["Cache-Control"] = h.noStore // the eighth: a map grows with the ninth, so net/http adds Content-Length
	h.rateLimits(to, answer)
	w.WriteHeader(http.StatusOK)
}

// remove tells Envoy what to remove from an allowed request.
func (h *headers) remove(to http.Header, answer *server.Answer) {
	removed := h.removed[len(h.removed)-1]
	if answer.Header != server.AnyHeader {
		removed = h.removed[answer.Header]
	}
	for i, name := range server.IdentityNames() {
		if !answer.Identity.Has(i) {
			removed += "," + name
		}
	}
	to.Set(removeHeader, removed)
}

// refuse answers with the code of the reason. For nginx every 4xx but 401 becomes 403, because auth_request turns others into 500.
func (h *Handler) refuse(w http.ResponseWriter, answer *server.Answer, nginx bool) {
	code, refusal, to := answer.Reason.Code(), h.refusals.of(answer), w.Header()
	maps.Copy(to, refusal.headers)
	h.headers.rateLimits(to, answer)
	if nginx {
		to[statusHeader], to[problemHeader] = refusal.code, refusal.problem
		if code < http.StatusInternalServerError && code != http.StatusUnauthorized {
			code = http.StatusForbidden
		}
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, refusal.body) // an error means that the gateway has hung up
}

// rateLimits sets the headers about the key's limit, if it has one.
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
