// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import "time"

// Limit is how often a key may be used. The zero value is no limit.
type Limit struct {
	// Requests is how many requests fit in each period, 1 to 1,000,000; 0: there is no limit.
	Requests int32
	// Burst is how many of them may come at once, 1 to 1,000,000; 0: as many as Requests.
	Burst int32
	// Per is the period, from 1s to 24h.
	Per time.Duration
}

// IsZero says whether there is no limit.
func (l Limit) IsZero() bool { return l.Requests <= 0 }

// NextIn returns how long until one more request fits than fits now, under the limit that the quota is of; 0: all fit.
func (l Limit) NextIn(quota Quota) time.Duration {
	if quota.RetryAfter > 0 || quota.Reset <= 0 || l.IsZero() {
		return max(quota.RetryAfter, 0)
	}
	burst := int64(l.Requests)
	if l.Burst > 0 {
		burst = int64(l.Burst)
	}
	// Reset is the time for all requests that are missing; all but the first of them take a whole interval each. In
	// microseconds the product of the largest burst and the longest period fits.
	const unit = time.Microsecond
	requests, per := int64(l.Requests), int64(l.Per/unit)
	interval := (per + requests - 1) / requests
	later := max(burst-quota.Remaining-1, 0) * per / requests
	next := int64(quota.Reset/unit) - later
	if quota.Reset%unit != 0 {
		next++
	}
	if next < 1 { // Reset was longer than a duration can say
		next = interval
	}

	return time.Duration(max(min(next, interval), 1)) * unit
}

// Quota is what a limit has left after a request asked for its share. The zero value has nothing left.
type Quota struct {
	// Granted says whether the request fits.
	Granted bool
	// Remaining is how many more requests would fit right now.
	Remaining int64
	// RetryAfter is how long until the next request fits; 0 when one fits right now.
	RetryAfter time.Duration
	// Reset is how long until the whole burst is there again, if nothing else is asked for.
	Reset time.Duration
}
