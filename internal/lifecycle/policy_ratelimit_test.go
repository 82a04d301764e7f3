// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestLimitInForce(t *testing.T) {
	for name, c := range map[string]struct {
		spec     string
		policies []string
		want     string // empty: none
	}{
		"no policy, no limit":                     {"{}", nil, ""},
		"no policy":                               {"rateLimit: {requests: 10, per: 1m, burst: 20}", nil, "{requests: 10, per: 1m, burst: 20}"},
		"a policy on something else":              {"{}", []string{"environments: [Production]"}, ""},
		"another spelling":                        {"rateLimit: {requests: 10, per: 5400s, burst: 10}", nil, "{requests: 10, per: 1h30m}"},
		"hours":                                   {"rateLimit: {requests: 10, per: 1440m}", nil, "{requests: 10, per: 24h}"},
		"seconds":                                 {"rateLimit: {requests: 10, per: 1h1s}", nil, "{requests: 10, per: 1h0m1s}"},
		"a default":                               {"{}", []string{"rateLimit: {default: {requests: 10, per: 1m}}"}, "{requests: 10, per: 1m}"},
		"a default for a spec with a limit":       {"rateLimit: {requests: 20, per: 1m}", []string{"rateLimit: {default: {requests: 10, per: 1m}}"}, "{requests: 20, per: 1m}"},
		"the strictest default":                   {"{}", []string{"rateLimit: {default: {requests: 10, per: 1m, burst: 30}}", "rateLimit: {default: {requests: 1, per: 1s, burst: 20}}"}, "{requests: 10, per: 1m, burst: 20}"},
		"a default above another's maximum":       {"{}", []string{"rateLimit: {default: {requests: 10, per: 1m}}", "rateLimit: {maximum: {requests: 60, per: 1h}}"}, "{requests: 60, per: 1h, burst: 10}"},
		"a maximum":                               {"{}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}"}, "{requests: 10, per: 1m}"},
		"the strictest maximum":                   {"{}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}", "rateLimit: {maximum: {requests: 1, per: 1m, burst: 5}}"}, "{requests: 1, per: 1m, burst: 5}"},
		"a maximum above the spec":                {"rateLimit: {requests: 5, per: 1m}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}"}, "{requests: 5, per: 1m}"},
		"a maximum below the rate":                {"rateLimit: {requests: 20, per: 1s, burst: 3}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}"}, "{requests: 10, per: 1m, burst: 3}"},
		"a maximum below the burst":               {"rateLimit: {requests: 5, per: 1m, burst: 100}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}"}, "{requests: 5, per: 1m, burst: 10}"},
		"a maximum below a burst that is not set": {"rateLimit: {requests: 600, per: 1h}", []string{"rateLimit: {maximum: {requests: 10, per: 1m}}"}, "{requests: 600, per: 1h, burst: 10}"},
		"rate and burst from two maximums":        {"rateLimit: {requests: 50, per: 1m}", []string{"rateLimit: {maximum: {requests: 10, per: 1m, burst: 40}}", "rateLimit: {maximum: {requests: 20, per: 1m, burst: 2}}"}, "{requests: 10, per: 1m, burst: 2}"},
		"equal rates keep the words of spec":      {"rateLimit: {requests: 60, per: 1h}", []string{"rateLimit: {maximum: {requests: 1, per: 1m, burst: 60}}"}, "{requests: 60, per: 1h}"},
		"the most that can be compared":           {"rateLimit: {requests: 1000000, per: 24h}", []string{"rateLimit: {maximum: {requests: 999999, per: 24h, burst: 1000000}}"}, "{requests: 999999, per: 24h, burst: 1000000}"},
		"a period that nobody could store":        {"rateLimit: {requests: 10, per: 1d}", nil, "{requests: 10, per: 24h}"},
		"a period below a second":                 {"rateLimit: {requests: 10, per: 10ms}", nil, "{requests: 10, per: 24h}"},
		"a period above a day":                    {"rateLimit: {requests: 10, per: 25h}", nil, "{requests: 10, per: 24h}"},
		"numbers that nobody could store":         {"rateLimit: {requests: -1, per: 1m, burst: -1}", nil, "{requests: 1, per: 1m}"},
		"numbers larger than anybody could store": {"rateLimit: {requests: 2000000, per: 1m, burst: 2000000}", nil, "{requests: 1000000, per: 1m}"},
	} {
		t.Run(name, func(t *testing.T) {
			var want *v1alpha1.RateLimit
			if err := yaml.UnmarshalStrict([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			all := policies(t, c.policies...)
			o := lifecycle.Observed{Key: declared(t, c.spec), Policies: all, Secret: in(lifecycle.SecretAbsent)}
			if diff := cmp.Diff(want, lifecycle.Announced(o, "new", "new", now).RateLimit); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitInForceDoesNotDependOnTheOrderOfPolicies(t *testing.T) {
	limit := func(order ...string) *v1alpha1.RateLimit {
		o := lifecycle.Observed{Key: settled(), Secret: owned("active")}
		for _, name := range order {
			o.Policies = append(o.Policies, policy(t, name, map[string]string{
				"a": "rateLimit: {maximum: {requests: 60, per: 1m}}", "b": "rateLimit: {maximum: {requests: 1, per: 1s}}",
			}[name]))
		}

		return lifecycle.Settled(o, now).RateLimit
	}
	if diff := cmp.Diff(limit("a", "b"), limit("b", "a")); diff != "" {
		t.Errorf("(-a,b +b,a):\n%s", diff)
	}
}
