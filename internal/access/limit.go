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
