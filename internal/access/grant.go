// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"math"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Never is a time in seconds that is never reached.
const Never int64 = math.MaxInt64

// Grant is what one record of status.keys grants to the key with its digest. The zero value allows nothing.
type Grant struct {
	// ID is the id of the record: the first 12 characters of the digest.
	ID string
	// Subject is what all records of the APIKey have in common; nil allows nothing.
	Subject *Subject
	// NotAfter is when the overlap of a replaced key ends, in seconds since 1970; Never: the key was not replaced.
	NotAfter int64
	// Disputed reports that more than one APIKey has a record of this digest. The verifier cannot tell which one owns it, so it
	// refuses the key.
	Disputed bool
}

// Subject is what an APIKey grants to all its keys. Requests share it and it does not change; only the permissions of its roles do.
// The fields that every decision reads come first, so that behind a Grant they are in the same two cache lines.
type Subject struct {
	// ExpiresAt is when the APIKey ends, in seconds since 1970: it expires, or it is revoked if Unclaimed is true.
	ExpiresAt int64

	// Revoked reports that spec.revoked is true or that the APIKey is being deleted.
	Revoked bool
	// Expired reports that the operator has recorded the expiry, which is final whatever ExpiresAt says.
	Expired bool
	// Suspended reports that spec.suspend is true.
	Suspended bool
	// Unclaimed reports that ExpiresAt is the time before which the key has to be claimed.
	Unclaimed bool

	// Environment is the only one whose endpoints accept the key.
	Environment v1alpha1.Environment
	// Rights are the permissions of the key; nil: none.
	Rights *Rights
	// Customers are the customers that the key is for; empty: every customer.
	Customers List
	// Limit is the rate limit of all keys of the APIKey together.
	Limit Limit

	// Identity of the APIKey.
	Namespace, Name, UID, Owner string

	// LastUsedAt is status.lastUsedAt, in seconds since 1970; 0: none.
	LastUsedAt int64
}

// Serves reports whether the key is for a customer.
func (s *Subject) Serves(customer v1alpha1.Customer) bool {
	return s.Customers == "" || s.Customers.Has(string(customer))
}

// Limit is a rate limit. The zero value is none.
type Limit struct {
	// Requests is the number of requests in each period, 1 to 1,000,000; 0: there is no limit.
	Requests int32
	// Burst is the number of requests that may arrive at once, 1 to 1,000,000; 0: as many as Requests.
	Burst int32
	// Per is the period, from 1s to 24h.
	Per time.Duration
}

// IsZero reports whether there is no limit.
func (l Limit) IsZero() bool { return l.Requests <= 0 }

// NextIn returns the time until one more request fits than now, for a quota of this limit; 0: the whole burst fits.
func (l Limit) NextIn(quota Quota) time.Duration {
	if quota.RetryAfter > 0 || quota.Reset <= 0 || l.IsZero() {
		return max(quota.RetryAfter, 0)
	}
	burst := int64(l.Requests)
	if l.Burst > 0 {
		burst = int64(l.Burst)
	}
	// Reset is the time until all missing requests fit; all but the first of them take a whole interval each. In microseconds the
	// product of the largest burst and the longest period fits into 64 bits.
	const unit = time.Microsecond
	requests, per := int64(l.Requests), int64(l.Per/unit)
	interval := (per + requests - 1) / requests
	later := max(burst-quota.Remaining-1, 0) * per / requests
	next := int64(quota.Reset/unit) - later
	if quota.Reset%unit != 0 {
		next++
	}
	if next < 1 { // Reset was longer than a Duration can represent
		next = interval
	}

	return time.Duration(max(min(next, interval), 1)) * unit
}

// Quota is the state of a limit after a request. The zero value has nothing left.
type Quota struct {
	// Granted reports whether the request fits.
	Granted bool
	// Remaining is the number of further requests that fit now.
	Remaining int64
	// RetryAfter is the time until the next request fits; 0: one fits now.
	RetryAfter time.Duration
	// Reset is the time until the whole burst fits again, without further requests.
	Reset time.Duration
}
