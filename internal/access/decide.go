// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Credential is the state of what a request brought as its credential, before it is looked up.
type Credential uint8

// The states of a credential. Only a Presented credential is looked up.
const (
	// None: the request brought no credential.
	None Credential = iota
	// Several: the request brought more than one.
	Several
	// NoKey: its credential is not a key, because the shape, the checksum or a byte is wrong.
	NoKey
	// Presented: it brought one with the shape and the checksum of a key.
	Presented
)

// Request is the subject of a decision: what the client brought, and what the endpoint needs by the gateway's own configuration.
type Request struct {
	Credential Credential
	// Environment is the environment of the endpoint. Without one no request passes.
	Environment v1alpha1.Environment
	// Permission is the permission that the endpoint needs; empty: a key is enough.
	Permission v1alpha1.Permission
	// Customer is the customer whose data the endpoint opens; empty: no particular one.
	Customer v1alpha1.Customer
	// Stale reports that changes of grants may have been missed for too long.
	Stale bool
}

// Decision is the answer to a Request. The zero value denies.
type Decision struct {
	Reason Reason
	// Quota is the rest of the key's limit. It has a meaning if the request was allowed or rate limited and the key has a limit.
	Quota Quota
}

// Allowed reports whether the request may pass.
func (d Decision) Allowed() bool { return d.Reason == Allowed }

// Limited returns the decision with a quota. A request that was allowed is refused if the quota does not grant it.
func (d Decision) Limited(quota Quota) Decision {
	if d.Reason == Allowed && !quota.Granted {
		d.Reason = RateLimited
	}
	d.Quota = quota

	return d
}

// question is the input of the checks. It is passed by value: a pointer would put each one on the heap.
type question struct {
	request Request
	grant   *Grant
	now     int64 // seconds since 1970
}

// check is one reason to refuse a request.
type check struct {
	reason Reason
	fails  func(q question) bool
}

// checks returns all reasons to refuse a request. The first check that holds decides. The checks after unknown rely on a grant with
// a subject.
func checks() []check {
	return []check{
		{Misconfigured, misconfigured}, // first: it concerns every request, so the first one of a new gateway shows it
		{Missing, missing},             // the credential alone, before anything is told about any key
		{Ambiguous, ambiguous},
		{Malformed, malformed},
		{Stale, stale},     // before everything that the index says: a key that it does not know may be new
		{Unknown, unknown}, // the checks below need a grant
		{Disputed, disputed},
		{Revoked, revoked}, // final states before others, so that the answer agrees with status.phase
		{Expired, expired},
		{Suspended, suspended},
		{Expired, expiredRecord},             // the three above are about all keys of the APIKey, this one about one record
		{WrongEnvironment, wrongEnvironment}, // before permissions: outside its environment a key learns nothing about itself
		{PermissionDenied, permissionDenied},
		{CustomerDenied, customerDenied},
	}
}

// Decide decides a request by everything but its rate limit, which counts only requests that pass until then: see Limited.
// The grant is the one of the credential; nil: the index has none.
func Decide(request *Request, grant *Grant, now time.Time) Decision {
	q := question{request: *request, grant: grant, now: now.Unix()}
	for _, c := range checks() {
		if c.fails(q) {
			return Decision{Reason: c.reason}
		}
	}

	return Decision{Reason: Allowed}
}

func misconfigured(q question) bool {
	switch q.request.Environment {
	case v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment:
		return false
	default:
		return true
	}
}

func missing(q question) bool { return q.request.Credential == None }

func ambiguous(q question) bool { return q.request.Credential == Several }

func malformed(q question) bool { return q.request.Credential != Presented }

func stale(q question) bool { return q.request.Stale }

func unknown(q question) bool { return q.grant == nil || q.grant.Subject == nil }

func disputed(q question) bool { return q.grant.Disputed }

func revoked(q question) bool {
	return q.grant.Subject.Revoked || q.grant.Subject.Unclaimed && !q.grant.Subject.Expired && q.now >= q.grant.Subject.ExpiresAt
}

func expired(q question) bool {
	return q.grant.Subject.Expired || !q.grant.Subject.Unclaimed && q.now >= q.grant.Subject.ExpiresAt
}

func suspended(q question) bool { return q.grant.Subject.Suspended }

// expiredRecord also holds for a notAfter that is further ahead than any overlap: no operator has written it.
func expiredRecord(q question) bool {
	return q.grant.NotAfter != Never && (q.now >= q.grant.NotAfter || q.grant.NotAfter-q.now > int64(v1alpha1.MaxNotAfter/time.Second))
}

func wrongEnvironment(q question) bool { return q.grant.Subject.Environment != q.request.Environment }

func permissionDenied(q question) bool {
	return q.request.Permission != "" && !q.grant.Subject.Rights.Hold(q.request.Permission)
}

func customerDenied(q question) bool {
	return q.request.Customer != "" && !q.grant.Subject.Serves(q.request.Customer)
}
