// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Credential is what a request brought to say whose it is, before anybody looks it up.
type Credential uint8

// The states of a credential. Only one that is Presented is looked up.
const (
	// None was sent.
	None Credential = iota
	// Several were sent.
	Several
	// NoKey was sent that could be one: the shape, the checksum or a byte is wrong.
	NoKey
	// Presented: one credential with the shape and the checksum of a key.
	Presented
)

// Request is what has to be decided: what the client brought, and what the endpoint needs by the gateway's own configuration.
type Request struct {
	Credential Credential
	// Environment is that of the endpoint. Without one no request passes.
	Environment v1alpha1.Environment
	// Permission is what the endpoint needs; empty: nothing but a key.
	Permission v1alpha1.Permission
	// Customer is whose data the endpoint opens; empty: that of no customer in particular.
	Customer v1alpha1.Customer
	// Stale reports that changes of grants may have been missed for too long.
	Stale bool
}

// Decision is the answer to a Request. The zero value denies.
type Decision struct {
	Reason Reason
	// Quota is what is left of the key's limit; meaningful where the request was allowed or limited and the key has a limit.
	Quota Quota
}

// Allowed says whether the request may pass.
func (d Decision) Allowed() bool { return d.Reason == Allowed }

// Limited is the decision after a limit was asked: one that was to pass is refused when the quota has no room for it.
func (d Decision) Limited(quota Quota) Decision {
	if d.Reason == Allowed && !quota.Granted {
		d.Reason = RateLimited
	}
	d.Quota = quota

	return d
}

// question is what the checks look at. It is passed by value: a pointer would put each one on the heap.
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

// checks are all reasons to refuse a request, in this order: the first that holds is the answer. After Unknown there is a
// grant with a subject, which those that follow rely on.
func checks() []check {
	return []check{
		{Misconfigured, aimless},         // first: every request shows it, so whoever sets up the gateway sees it at once
		{Missing, missing},               // the credential by itself, before anything is said about any key
		{Ambiguous, ambiguous},           //
		{Malformed, malformed},           //
		{Stale, stale},                   // before anything that the index says: what is not known may be new
		{Unknown, unknown},               // those below need a grant
		{Disputed, disputed},             // a grant that says nothing but this
		{Revoked, revoked},               // what is final before what is not: the answer agrees with status.phase
		{Expired, expired},               //
		{Suspended, suspended},           //
		{Expired, replaced},              // those above are about all keys of the APIKey, this one about one of them
		{WrongEnvironment, elsewhere},    // before what the key may do: outside its environment it says nothing, not even that
		{PermissionDenied, notPermitted}, //
		{CustomerDenied, notTheirs},      //
	}
}

// Decide decides a request by everything but its rate limit, which counts only requests that pass so far: see Limited.
// The grant is what the index found for the credential; nil: nothing.
func Decide(request *Request, grant *Grant, now time.Time) Decision {
	q := question{request: *request, grant: grant, now: now.Unix()}
	for _, c := range checks() {
		if c.fails(q) {
			return Decision{Reason: c.reason}
		}
	}

	return Decision{Reason: Allowed}
}

func aimless(q question) bool {
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

func revoked(q question) bool { return q.grant.Subject.Revoked }

func expired(q question) bool {
	return q.grant.Subject.Expired || q.now >= q.grant.Subject.ExpiresAt
}

func suspended(q question) bool { return q.grant.Subject.Suspended }

// replaced holds also for a notAfter that is further ahead than any overlap: no operator wrote it.
func replaced(q question) bool {
	return q.grant.NotAfter != Never && (q.now >= q.grant.NotAfter || q.grant.NotAfter-q.now > int64(v1alpha1.MaxNotAfter/time.Second))
}

func elsewhere(q question) bool { return q.grant.Subject.Environment != q.request.Environment }

func notPermitted(q question) bool {
	return q.request.Permission != "" && !q.grant.Subject.Rights.Hold(q.request.Permission)
}

func notTheirs(q question) bool {
	return q.request.Customer != "" && !q.grant.Subject.Serves(q.request.Customer)
}
