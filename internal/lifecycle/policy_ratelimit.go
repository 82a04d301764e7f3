// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The bounds that the schema sets a rate limit.
const (
	maxRequests = 1_000_000
	maxPeriod   = 24 * time.Hour
)

// limitInForce is the rate limit that a key has; nil: none. It is what spec says, or else the strictest default of the
// policies, or else their strictest maximum; and never more than any maximum, neither requests in the same time nor burst.
//
// It is always one that the status may hold, also where spec was stored before the rules of its schema were.
func limitInForce(key *v1alpha1.APIKey, policies []*v1alpha1.APIKeyPolicy) *v1alpha1.RateLimit {
	var defaults, maximums *pace
	for _, policy := range byName(policies) { // of equal rates, the first is how the status puts it
		if limits := policy.Spec.RateLimit; limits != nil {
			defaults = strictest(defaults, paceOf(limits.Default))
			maximums = strictest(maximums, paceOf(limits.Maximum))
		}
	}
	declared := paceOf(key.Spec.RateLimit)
	if declared == nil {
		declared = defaults
	}

	return strictest(declared, maximums).limit()
}

// pace is a rate limit to calculate with; nil: none.
type pace struct {
	requests, burst int32
	per             time.Duration
}

// paceOf reads a limit. A period that cannot be read, which the schema lets nobody store, counts as the longest one:
// a mistake never gives a key more than it was meant to have.
func paceOf(limit *v1alpha1.RateLimit) *pace {
	if limit == nil {
		return nil
	}
	per, _ := parseDuration(limit.Per)
	if per = min(per.Truncate(time.Second), maxPeriod); per == 0 {
		per = maxPeriod
	}
	p := &pace{requests: min(max(limit.Requests, 1), maxRequests), per: per}
	p.burst = p.requests
	if limit.Burst > 0 {
		p.burst = min(limit.Burst, maxRequests)
	}

	return p
}

// strictest is the lower rate of two limits with the smaller burst of them, which need not be that of the same one.
func strictest(a, b *pace) *pace {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := *a
	if a.faster(b) {
		both.requests, both.per = b.requests, b.per
	}
	both.burst = min(a.burst, b.burst)

	return &both
}

// faster says whether p lets more requests through in the same time.
func (p *pace) faster(other *pace) bool {
	return int64(p.requests)*int64(other.per/time.Second) > int64(other.requests)*int64(p.per/time.Second)
}

// limit writes a pace as the API does. A burst as large as requests is left out.
func (p *pace) limit() *v1alpha1.RateLimit {
	if p == nil {
		return nil
	}
	limit := &v1alpha1.RateLimit{Requests: p.requests, Per: inWords(p.per)}
	if p.burst != p.requests {
		limit.Burst = p.burst
	}

	return limit
}

// inWords is a duration as people write it: "1m" where Go writes "1m0s".
func inWords(d time.Duration) v1alpha1.Duration {
	text := d.String()
	if minutes, found := strings.CutSuffix(text, "m0s"); found {
		text = minutes + "m"
	}
	if hours, found := strings.CutSuffix(text, "h0m"); found {
		text = hours + "h"
	}

	return v1alpha1.Duration(text)
}

func rateTooHigh(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	declared, maximum := declaredAndMaximum(spec, key)
	if declared == nil || !paceOf(declared).faster(paceOf(maximum)) {
		return ""
	}

	return fmt.Sprintf("allows at most %d requests per %s: spec.rateLimit has %d per %s.",
		maximum.Requests, maximum.Per, declared.Requests, declared.Per)
}

func burstTooLarge(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	declared, maximum := declaredAndMaximum(spec, key)
	if declared == nil || paceOf(declared).burst <= paceOf(maximum).burst {
		return ""
	}
	sentence := fmt.Sprintf("allows a burst of at most %d: spec.rateLimit has one of %d", paceOf(maximum).burst, paceOf(declared).burst)
	if declared.Burst == 0 {
		return sentence + ", as many as requests, because it sets no burst."
	}

	return sentence + "."
}

// declaredAndMaximum are the limit of a spec and the one that a policy sets it; both nil where either is missing.
func declaredAndMaximum(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) (declared, maximum *v1alpha1.RateLimit) {
	if key.Spec.RateLimit == nil || spec.RateLimit == nil || spec.RateLimit.Maximum == nil {
		return nil, nil
	}

	return key.Spec.RateLimit, spec.RateLimit.Maximum
}
