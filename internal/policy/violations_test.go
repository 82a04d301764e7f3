// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/policy"
)

func TestSelects(t *testing.T) {
	labels := map[string]string{"team": "shop", "tier": "", "example.com/region": "eu"}
	for name, c := range map[string]struct {
		selector string
		want     bool
	}{
		"no selector":                           {"{environments: [Staging]}", true},
		"an empty selector":                     {"namespaceSelector: {}", true},
		"a label that is there":                 {"namespaceSelector: {matchLabels: {team: shop}}", true},
		"a label with another value":            {"namespaceSelector: {matchLabels: {team: web}}", false},
		"a label that is not there":             {"namespaceSelector: {matchLabels: {cost: shop}}", false},
		"an empty value that is there":          {`namespaceSelector: {matchLabels: {tier: ""}}`, true},
		"an empty value of a label that is not": {`namespaceSelector: {matchLabels: {cost: ""}}`, false},
		"one label of two":                      {"namespaceSelector: {matchLabels: {team: shop, cost: a}}", false},
		"In, listed": {
			"namespaceSelector: {matchExpressions: [{key: example.com/region, operator: In, values: [us, eu]}]}",
			true,
		},
		"In, not listed":          {"namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [us, eu]}]}", false},
		"In, not there":           {"namespaceSelector: {matchExpressions: [{key: cost, operator: In, values: [us, eu]}]}", false},
		"NotIn, listed":           {"namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}", false},
		"NotIn, not listed":       {"namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [web]}]}", true},
		"NotIn, not there":        {"namespaceSelector: {matchExpressions: [{key: cost, operator: NotIn, values: [web]}]}", true},
		"Exists, there":           {"namespaceSelector: {matchExpressions: [{key: tier, operator: Exists}]}", true},
		"Exists, not there":       {"namespaceSelector: {matchExpressions: [{key: cost, operator: Exists}]}", false},
		"DoesNotExist, there":     {"namespaceSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}", false},
		"DoesNotExist, not there": {"namespaceSelector: {matchExpressions: [{key: cost, operator: DoesNotExist}]}", true},
		"labels that match, an expression that does not": {
			"namespaceSelector: {matchLabels: {team: shop}, matchExpressions: [{key: cost, operator: Exists}]}",
			false,
		},
		"an operator that the schema refuses": {"namespaceSelector: {matchExpressions: [{key: team, operator: Above, values: [a]}]}", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := policy.Selects(policies(t, c.selector)[0], labels); got != c.want {
				t.Errorf("selected: %v", got)
			}
		})
	}
}

func TestViolationsAreOfEachPolicyByName(t *testing.T) {
	all := policies(t, "environments: [Staging]", "{roles: [a], permissions: [a]}", "permissions: [b]")
	all[0], all[2] = all[2], all[0]
	want := []string{
		`APIKeyPolicy "a" does not allow environment "Production": it allows "Staging".`,
		`APIKeyPolicy "b" does not allow permissions "b": it allows "a".`,
		`APIKeyPolicy "b" does not allow roles "b": it allows "a".`,
	}
	if diff := cmp.Diff(want, policy.TermsOf(fresh(t, "{permissions: [b], roles: [b]}"), all).Violations(now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if all[0].Name != "c" {
		t.Error("the order of the caller's list has changed")
	}
}
