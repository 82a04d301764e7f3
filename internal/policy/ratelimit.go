// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The rate limits that maximumRate and maximumBurst compare, in CEL.
const (
	limitDeclared = "object.spec.rateLimit"
	limitBefore   = "variables.had.rateLimit"
	limitMaximum  = "params.spec.rateLimit.maximum"
)

// noLimits holds where policy or spec has no limit. The operator applies the maximum to an APIKey without a limit.
const noLimits = "!params.spec.?rateLimit.?maximum.hasValue() || !has(object.spec.rateLimit)"

// maximumRate demands a rate that is not higher than that of spec.rateLimit.maximum.
func maximumRate() demand {
	return demand{
		name: "maximum rate",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			declared, maximum := comparedLimits(spec, apikey)
			if declared == nil || !rateOf(declared).faster(rateOf(maximum)) {
				return ""
			}

			return fmt.Sprintf("allows at most %d requests per %s: spec.rateLimit has %d per %s.",
				maximum.Requests, maximum.Per, declared.Requests, declared.Per)
		},
		met: noLimits + " || " + notFasterCEL(limitDeclared, limitMaximum) +
			" || (has(" + limitBefore + ") && " + notFasterCEL(limitDeclared, limitBefore) + ")",
		refusal: []string{
			"'allows at most '", perPeriodCEL(limitMaximum, " requests"), "': spec.rateLimit has '", perPeriodCEL(limitDeclared, ""), "'.'",
		},
	}
}

// maximumBurst demands a burst that is not larger than that of spec.rateLimit.maximum.
func maximumBurst() demand {
	return demand{
		name: "maximum burst",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			declared, maximum := comparedLimits(spec, apikey)
			if declared == nil || rateOf(declared).burst <= rateOf(maximum).burst {
				return ""
			}
			sentence := fmt.Sprintf("allows a burst of at most %d: spec.rateLimit has one of %d", rateOf(maximum).burst, rateOf(declared).burst)
			if declared.Burst == 0 {
				return sentence + ", as many as requests, because it sets no burst."
			}

			return sentence + "."
		},
		met: noLimits + " || " + burstCEL(limitDeclared) + " <= " + burstCEL(limitMaximum) +
			" || (has(" + limitBefore + ") && " + burstCEL(limitDeclared) + " <= " + burstCEL(limitBefore) + ")",
		refusal: []string{
			"'allows a burst of at most ' + string(" + burstCEL(limitMaximum) + ")",
			"': spec.rateLimit has one of ' + string(" + burstCEL(limitDeclared) + ")",
			"(has(" + limitDeclared + ".burst) ? '.' : ', as many as requests, because it sets no burst.')",
		},
	}
}

// comparedLimits returns the limit of an APIKey and the maximum of a policy; nil and nil if either has none.
func comparedLimits(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) (declared, maximum *v1alpha1.RateLimit) {
	if apikey.Spec.RateLimit == nil || spec.RateLimit == nil || spec.RateLimit.Maximum == nil {
		return nil, nil
	}

	return apikey.Spec.RateLimit, spec.RateLimit.Maximum
}

// RateLimit returns the rate limit that verifiers apply to an APIKey, in a form that its status can hold; nil means no limit.
// It is the limit of spec, or else the strictest default of the policies, or else their strictest maximum. It never exceeds
// any maximum, neither in rate nor in burst.
func (t Terms) RateLimit() *v1alpha1.RateLimit {
	var byDefault, maximum *rate
	for _, policy := range t.policies { // of equal rates the first one determines how the status spells it
		if limits := policy.Spec.RateLimit; limits != nil {
			byDefault = strictest(byDefault, rateOf(limits.Default))
			maximum = strictest(maximum, rateOf(limits.Maximum))
		}
	}
	declared := rateOf(t.apikey.Spec.RateLimit)
	if declared == nil {
		declared = byDefault
	}

	return strictest(declared, maximum).limit()
}

// rate is a rate limit as numbers to calculate with; nil means no limit.
type rate struct {
	requests, burst int32
	per             time.Duration
}

// rateOf returns the numbers of a limit.
func rateOf(limit *v1alpha1.RateLimit) *rate {
	if limit == nil {
		return nil
	}
	requests, burst, per := limit.Effective()

	return &rate{requests: requests, burst: burst, per: per}
}

// strictest returns the lower rate of two limits with the smaller burst of them. Rate and burst can come from different limits.
func strictest(a, b *rate) *rate {
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

// faster reports whether r allows more requests than other in the same time.
func (r *rate) faster(other *rate) bool {
	return int64(r.requests)*int64(other.per/time.Second) > int64(other.requests)*int64(r.per/time.Second)
}

// limit returns r as the API spells it, without a burst that equals requests.
func (r *rate) limit() *v1alpha1.RateLimit {
	if r == nil {
		return nil
	}
	limit := &v1alpha1.RateLimit{Requests: r.requests, Per: shortest(r.per)}
	if r.burst != r.requests {
		limit.Burst = r.burst
	}

	return limit
}

// shortest returns the shortest spelling of a duration: "1m" where Go writes "1m0s".
func shortest(d time.Duration) v1alpha1.Duration {
	text := d.String()
	if minutes, found := strings.CutSuffix(text, "m0s"); found {
		text = minutes + "m"
	}
	if hours, found := strings.CutSuffix(text, "h0m"); found {
		text = hours + "h"
	}

	return v1alpha1.Duration(text)
}

// notFasterCEL holds if a limit allows no more requests than other in the same time.
func notFasterCEL(limit, other string) string {
	return fmt.Sprintf("%s * %s <= %s * %s", requestsCEL(limit), periodCEL(other), requestsCEL(other), periodCEL(limit))
}

// requestsCEL returns the requests of a limit. JSON can spell the number as 1e2, which CEL reads as a float.
func requestsCEL(limit string) string { return "int(" + limit + ".requests)" }

// periodCEL returns the period of a limit in seconds. As in RateLimit.Effective, an unreadable one counts as the longest.
func periodCEL(limit string) string { return SecondsCEL(limit+".per", int64(24*time.Hour/time.Second)) }

// burstCEL returns the burst of a limit.
func burstCEL(limit string) string {
	return "int(" + limit + ".?burst.orValue(" + limit + ".requests))"
}

// perPeriodCEL returns a limit in words, with a unit after the number.
func perPeriodCEL(limit, unit string) string {
	return "string(" + requestsCEL(limit) + ") + '" + unit + " per ' + " + limit + ".per"
}
