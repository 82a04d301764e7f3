// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The bounds that the schema sets a warning.
const (
	minWarnBefore = time.Minute
	maxWarnBefore = 8760 * time.Hour
)

// defaultWarnBefore returns how long before an expiry the operator warns if no policy says so.
func defaultWarnBefore() []time.Duration {
	const day = 24 * time.Hour

	return []time.Duration{30 * day, 7 * day, day}
}

// WarnBefore returns how long before the expiry of the APIKey the operator warns: all times of all policies, in any order. A warning is no
// limit, of which the strictest would apply: each author of a policy gets the warnings that it lists. The default applies if no policy
// lists any.
func (t Terms) WarnBefore() []time.Duration {
	var all []time.Duration
	for _, policy := range t.policies {
		if policy.Spec.Expiry == nil {
			continue
		}
		for _, text := range policy.Spec.Expiry.WarnBefore {
			if before, ok := text.Parse(); ok && before >= minWarnBefore && before <= maxWarnBefore {
				all = append(all, before.Truncate(time.Second))
			}
		}
	}
	if all == nil {
		return defaultWarnBefore()
	}

	return all
}

// Spelled returns the shortest spelling of a duration of whole seconds that the schema accepts.
func Spelled(d time.Duration) v1alpha1.Duration { return shortest(d) }
