// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"math"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

func TestNextIn(t *testing.T) {
	const day = 24 * time.Hour
	minute := access.Limit{Requests: 10, Per: time.Minute, Burst: 3}
	for name, c := range map[string]struct {
		limit access.Limit
		quota access.Quota
		want  time.Duration
	}{
		"nothing was used": {
			minute,
			access.Quota{Granted: true, Remaining: 3}, 0,
		},
		"one request is missing": {
			minute,
			access.Quota{Granted: true, Remaining: 2, Reset: 6 * time.Second}, 6 * time.Second,
		},
		"one request is missing, and nearly there": {
			minute,
			access.Quota{Granted: true, Remaining: 2, Reset: time.Nanosecond}, time.Microsecond,
		},
		"two requests are missing": {
			minute,
			access.Quota{Granted: true, Remaining: 1, Reset: 7 * time.Second}, time.Second,
		},
		"all requests are missing": {
			minute,
			access.Quota{Granted: true, RetryAfter: 4 * time.Second, Reset: 16 * time.Second}, 4 * time.Second,
		},
		"a refusal": {
			minute,
			access.Quota{RetryAfter: time.Second, Reset: 13 * time.Second}, time.Second,
		},
		"no burst of its own": {
			access.Limit{Requests: 60, Per: time.Minute},
			access.Quota{Granted: true, Remaining: 40, Reset: 20 * time.Second}, time.Second,
		},
		"a burst beyond the requests of a period": {
			access.Limit{Requests: 100, Per: 100 * time.Second, Burst: 1000},
			access.Quota{Granted: true, Remaining: 999, Reset: time.Second}, time.Second,
		},
		"the rarest limit with the greatest burst": {
			access.Limit{Requests: 1, Per: day, Burst: 1e6},
			access.Quota{Granted: true, Remaining: 1e6 - 1, Reset: day}, day,
		},
		"a time to the whole burst beyond a Duration": {
			access.Limit{Requests: 1, Per: day, Burst: 1e6},
			access.Quota{Granted: true, Remaining: 5, Reset: math.MaxInt64}, day,
		},
		"the most frequent limit": {
			access.Limit{Requests: 1e6, Per: time.Second},
			access.Quota{Granted: true, Remaining: 1, Reset: time.Second}, time.Microsecond,
		},
		"no limit": {
			access.Limit{},
			access.Quota{Granted: true, Reset: time.Second}, 0,
		},
		"numbers that admission refuses": {
			access.Limit{Requests: math.MaxInt32, Per: 1},
			access.Quota{Granted: true, Reset: math.MaxInt64}, time.Microsecond,
		},
	} {
		if got := c.limit.NextIn(c.quota); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
