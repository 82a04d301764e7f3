// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

// Reason is why a request was decided as it was. The zero value denies.
type Reason uint8

// The reasons. Only Allowed lets a request pass.
const (
	// Unknown: no APIKey has a record of this key.
	Unknown Reason = iota
	// Disputed: more than one APIKey has a record of this key. The verifier cannot tell which one owns it, so it refuses both.
	Disputed
	// Stale: changes may have been missed for longer than --max-staleness.
	Stale
	// Misconfigured: the gateway named no environment of the endpoint, or a requirement that is not valid.
	Misconfigured
	// Missing: the request brought no credential.
	Missing
	// Ambiguous: the request brought more than one credential.
	Ambiguous
	// Malformed: the credential is no API key, because the shape, the checksum or a byte is wrong.
	Malformed
	// Revoked: spec.revoked is true, the APIKey is being deleted, or its key was not claimed in time.
	Revoked
	// Expired: the expiry has passed, or this key was replaced and its overlap has ended.
	Expired
	// Suspended: spec.suspend is true.
	Suspended
	// WrongEnvironment: the endpoint belongs to another environment than the key.
	WrongEnvironment
	// PermissionDenied: the endpoint needs a permission that the key does not have.
	PermissionDenied
	// CustomerDenied: the endpoint serves a customer that is not in spec.customers.
	CustomerDenied
	// RateLimited: the requests of the APIKey have reached its limit.
	RateLimited
	// Allowed: the request may pass.
	Allowed

	// Reasons is the number of reasons.
	Reasons
)

// String returns the reason as headers, logs and metrics spell it.
func (r Reason) String() string { return r.meaning().spelling }

// Code returns the HTTP status code of the answer (RFC 9110, section 15; RFC 6585, section 4 for 429).
func (r Reason) Code() int { return r.meaning().code }

// Detail returns a sentence for the client: what was wrong, and what to do.
func (r Reason) Detail() string { return r.meaning().detail }

// meaning is how a reason appears in answers, logs and metrics.
type meaning struct {
	spelling string
	code     int
	detail   string
}

func (r Reason) meaning() meaning {
	if r >= Reasons {
		r = Unknown
	}

	return [Reasons]meaning{
		Unknown: {"unknown", 401, "This API key is not known here. It may have been replaced or deleted."},
		Disputed: {"disputed", 401,
			"Two APIKeys claim this API key, so it is refused. The administrator of the cluster has to find out which one copied it."},
		Stale: {"stale", 503,
			"What the verifier knows about API keys may be out of date, so the request is refused. Retry after the time in Retry-After."},
		Misconfigured: {"misconfigured", 500, "The gateway does not say correctly what this endpoint needs. The verifier's log has the details."},
		Missing:       {"missing", 401, "No API key was sent. Send it as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'."},
		Ambiguous:     {"ambiguous", 401, "More than one credential was sent. Send one API key, in one header, once."},
		Malformed:     {"malformed", 401, "What was sent is no API key. Send it whole, as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'."},
		Revoked:       {"revoked", 401, "This API key was revoked. Ask for a new one."},
		Expired:       {"expired", 401, "This API key has expired or was replaced. Use the one that took its place, or ask for a new one."},
		Suspended:     {"suspended", 401, "This API key is suspended. Ask the administrator of its APIKey to resume it."},
		WrongEnvironment: {"wrong_environment", 401,
			"This API key belongs to another environment than this endpoint. Use a key of this environment."},
		PermissionDenied: {"permission_denied", 403, "This API key does not have the permission that this endpoint needs."},
		CustomerDenied:   {"customer_denied", 403, "This API key is not for this customer."},
		RateLimited:      {"rate_limited", 429, "This API key has reached its rate limit. Retry after the time in Retry-After."},
		Allowed:          {"allowed", 200, ""},
	}[r]
}
