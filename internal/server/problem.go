// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// Names of the headers of answers.
const (
	HeaderReason          = "x-apikey-reason"
	HeaderChallenge       = "www-authenticate"
	HeaderContentType     = "content-type"
	HeaderCacheControl    = "cache-control"
	HeaderRetryAfter      = "retry-after"
	HeaderRateLimit       = "ratelimit"
	HeaderRateLimitPolicy = "ratelimit-policy"
)

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// NoStore is the value of Cache-Control that keeps caches from answering for the verifier.
const NoStore = "no-store"

// Detail returns a sentence for the client: why the request was refused and what to do. The header is the one in which the endpoint
// wants the key; empty: any.
func Detail(reason access.Reason, header string) string {
	const either = "'Authorization: Bearer <key>' or as 'X-API-Key: <key>'"
	var form string
	switch header {
	case "":
		return reason.Detail()
	case HeaderAuthorization:
		form = "'Authorization: Bearer <key>'"
	default:
		form = "'" + http.CanonicalHeaderKey(header) + ": <key>'"
	}

	return strings.Replace(reason.Detail(), either, form, 1)
}

// Problem returns the body of a refusal (RFC 9457). The reason is all that it tells the client.
func Problem(reason access.Reason, header string) string {
	return fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"detail":%q,"reason":%q}`+"\n",
		http.StatusText(reason.Code()), reason.Code(), Detail(reason, header), reason.String())
}

// Challenge returns the value of WWW-Authenticate for a refusal with 401 (RFC 9110, section 11.6.1; RFC 6750, section 3);
// empty for others. For a request without a credential it names no error, as section 3.1 of the latter requires.
func Challenge(reason access.Reason, header string) string {
	const scheme = `Bearer realm="apikey-operator"`
	switch {
	case reason.Code() != http.StatusUnauthorized:
		return ""
	case reason == access.Missing:
		return scheme
	case reason == access.Ambiguous:
		return scheme + `, error="invalid_request", error_description="` + Detail(reason, header) + `"`
	default:
		return scheme + `, error="invalid_token", error_description="` + Detail(reason, header) + `"`
	}
}

// RateLimits returns the headers about a limit: RateLimit-Policy, RateLimit (draft-ietf-httpapi-ratelimit-headers-10)
// and, for a refusal, Retry-After (RFC 9110, section 10.2.3), all in whole seconds, rounded up.
//
// Parameter t is the time until one more request fits than r says (section 4.1.2), which for a refusal is Retry-After. A burst can
// be larger than the quota q of a period; r is never more than q.
func (a *Answer) RateLimits() (policy, left, retryAfter string) {
	if a.Grant == nil || a.Grant.Subject == nil || a.Grant.Subject.Limit.IsZero() || !a.Allowed() && a.Reason != access.RateLimited {
		return "", "", ""
	}
	limit := a.Grant.Subject.Limit
	remaining := min(a.Quota.Remaining, int64(limit.Requests))
	policy = `"default";q=` + strconv.FormatInt(int64(limit.Requests), 10) + ";w=" + wholeSeconds(limit.Per)
	left = `"default";r=` + strconv.FormatInt(remaining, 10) + ";t=" + wholeSeconds(limit.NextIn(a.Quota))
	if a.Reason == access.RateLimited {
		retryAfter = wholeSeconds(max(a.Quota.RetryAfter, 1))
	}

	return policy, left, retryAfter
}

// RetryAfter returns the value of Retry-After for refusals for this reason that have the same one each time; empty: none. The API
// server is asked about every 3 seconds, so the next answer after that may be another one.
func RetryAfter(reason access.Reason) string {
	if reason == access.Stale {
		return "5"
	}

	return ""
}

func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
