// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

func TestRateLimit(t *testing.T) {
	for name, c := range map[string]struct {
		spec     string
		policies []string
		want     string // empty: none
	}{
		"no policy, no limit":        {"{}", nil, ""},
		"no policy":                  {"rateLimit: {requests: 10, per: 1m, burst: 20}", nil, "{requests: 10, per: 1m, burst: 20}"},
		"a policy on something else": {"{}", []string{"environments: [Production]"}, ""},
		"another spelling":           {"rateLimit: {requests: 10, per: 5400s, burst: 10}", nil, "{requests: 10, per: 1h30m}"},
		"hours":                      {"rateLimit: {requests: 10, per: 1440m}", nil, "{requests: 10, per: 24h}"},
		"seconds":                    {"rateLimit: {requests: 10, per: 1h1s}", nil, "{requests: 10, per: 1h0m1s}"},
		"a default":                  {"{}", []string{"rateLimit: {default: {requests: 10, per: 1m}}"}, "{requests: 10, per: 1m}"},
		"a default for a spec with a limit": {
			"rateLimit: {requests: 20, per: 1m}",
			[]string{"rateLimit: {default: {requests: 10, per: 1m}}"},
			"{requests: 20, per: 1m}",
		},
		"the strictest default": {
			"{}",
			[]string{"rateLimit: {default: {requests: 10, per: 1m, burst: 30}}", "rateLimit: {default: {requests: 1, per: 1s, burst: 20}}"},
			"{requests: 10, per: 1m, burst: 20}",
		},
		"a default above another's maximum": {
			"{}",
			[]string{"rateLimit: {default: {requests: 10, per: 1m}}", "rateLimit: {maximum: {requests: 60, per: 1h}}"},
			"{requests: 60, per: 1h, burst: 10}",
		},
		"a maximum": {"{}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}"}, "{requests: 10, per: 1m}"},
		"the strictest maximum": {
			"{}",
			[]string{"rateLimit: {maximum: {requests: 10, per: 1m}}", "rateLimit: {maximum: {requests: 1, per: 1m, burst: 5}}"},
			"{requests: 1, per: 1m, burst: 5}",
		},
		"a maximum above the spec": {
			"rateLimit: {requests: 5, per: 1m}",
			[]string{"rateLimit: {maximum: {requests: 10, per: 1m}}"},
			"{requests: 5, per: 1m}",
		},
		"a maximum below the rate": {
			"rateLimit: {requests: 20, per: 1s, burst: 3}",
			[]string{"rateLimit: {maximum: {requests: 10, per: 1m}}"},
			"{requests: 10, per: 1m, burst: 3}",
		},
		"a maximum below the burst": {
			"rateLimit: {requests: 5, per: 1m, burst: 100}",
			[]string{"rateLimit: {maximum: {requests: 10, per: 1m}}"},
			"{requests: 5, per: 1m, burst: 10}",
		},
		"a maximum below a burst that is not set": {
			"rateLimit: {requests: 600, per: 1h}",
			[]string{"rateLimit: {maximum: {requests: 10, per: 1m}}"},
			"{requests: 600, per: 1h, burst: 10}",
		},
		"rate and burst from two maximums": {
			"rateLimit: {requests: 50, per: 1m}",
			[]string{"rateLimit: {maximum: {requests: 10, per: 1m, burst: 40}}", "rateLimit: {maximum: {requests: 20, per: 1m, burst: 2}}"},
			"{requests: 10, per: 1m, burst: 2}",
		},
		"equal rates keep the words of spec": {
			"rateLimit: {requests: 60, per: 1h}",
			[]string{"rateLimit: {maximum: {requests: 1, per: 1m, burst: 60}}"},
			"{requests: 60, per: 1h}",
		},
		"the most that can be compared": {
			"rateLimit: {requests: 1000000, per: 24h}",
			[]string{"rateLimit: {maximum: {requests: 999999, per: 24h, burst: 1000000}}"},
			"{requests: 999999, per: 24h, burst: 1000000}",
		},
		"a period that the schema refuses":       {"rateLimit: {requests: 10, per: 1d}", nil, "{requests: 10, per: 24h}"},
		"a period below a second":                {"rateLimit: {requests: 10, per: 10ms}", nil, "{requests: 10, per: 24h}"},
		"a period above a day":                   {"rateLimit: {requests: 10, per: 25h}", nil, "{requests: 10, per: 24h}"},
		"numbers that the schema refuses":        {"rateLimit: {requests: -1, per: 1m, burst: -1}", nil, "{requests: 1, per: 1m}"},
		"numbers larger than the schema accepts": {"rateLimit: {requests: 2000000, per: 1m, burst: 2000000}", nil, "{requests: 1000000, per: 1m}"},
	} {
		t.Run(name, func(t *testing.T) {
			var want *v1alpha1.RateLimit
			if err := yaml.UnmarshalStrict([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, terms(t, fresh(t, c.spec), c.policies...).RateLimit()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRateLimitDoesNotDependOnTheOrderOfPolicies(t *testing.T) {
	all := policies(t, "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {maximum: {requests: 1, per: 1s}}")
	limit := func() *v1alpha1.RateLimit { return policy.TermsOf(fresh(t, "{}"), all).RateLimit() }
	want := limit()
	slices.Reverse(all)
	if diff := cmp.Diff(want, limit()); diff != "" {
		t.Errorf("(-a,b +b,a):\n%s", diff)
	}
}

func rateLimitCases() []demandCase {
	return []demandCase{
		{"the highest rate, in other words", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 1, per: 1s}", ""},
		{"a higher rate", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 60, per: 59s}",
			"allows at most 60 requests per 1m: spec.rateLimit has 60 per 59s."},
		{"no rate", "rateLimit: {maximum: {requests: 60, per: 1m}}", "{}", ""},
		{"a rate above the default", "rateLimit: {default: {requests: 60, per: 1m}}", "rateLimit: {requests: 61, per: 1m}", ""},
		{"the highest rates there are", "rateLimit: {maximum: {requests: 999999, per: 24h, burst: 1000000}}", "rateLimit: {requests: 1000000, per: 24h}",
			"allows at most 999999 requests per 24h: spec.rateLimit has 1000000 per 24h."},
		{"the largest burst", "rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 5, per: 1m}", ""},
		{"a larger burst", "rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 5, per: 1m, burst: 6}",
			"allows a burst of at most 5: spec.rateLimit has one of 6."},
		{"a larger burst than requests", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 5, per: 1m, burst: 61}",
			"allows a burst of at most 60: spec.rateLimit has one of 61."},
		{"a larger burst that is not said aloud", "rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 6, per: 1m}",
			"allows a burst of at most 5: spec.rateLimit has one of 6, as many as requests, because it sets no burst."},
	}
}
