// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// demandCase is a new APIKey under one policy. Its demand is evaluated in Go and by the API server.
type demandCase struct {
	// name completes "is refused:" or "is accepted:".
	name string
	// policy and spec are the specs of both, in YAML.
	policy, spec string
	// violation follows the name of the policy, or is empty if the APIKey meets it.
	violation string
}

// demandCases returns the cases of all demands.
func demandCases() []demandCase {
	return slices.Concat(
		environmentCases(),
		permissionCases(),
		roleCases(),
		customerCases(),
		expiryCases(),
		rateLimitCases(),
		rotationCases(),
		overlapCases(),
		secretNameCases(),
	)
}

func TestEveryDemandHasCases(t *testing.T) {
	unmet := map[string]int{}
	for _, c := range demandCases() {
		for _, name := range policy.UnmetDemands(terms(t, fresh(t, c.spec), c.policy)) {
			unmet[name]++
		}
	}
	for _, name := range policy.DemandNames() {
		if unmet[name] == 0 {
			t.Errorf("no case violates the demand %q: add cases beside it, and to demandCases", name)
		}
	}
}

func TestViolations(t *testing.T) {
	for _, c := range slices.Concat(demandCases(), casesOfOlderSchemas()) {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			if c.violation != "" {
				want = []string{`APIKeyPolicy "a" ` + c.violation}
			}
			if diff := cmp.Diff(want, terms(t, fresh(t, c.spec), c.policy).Violations(now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// casesOfOlderSchemas returns cases that an API server cannot run: the schema refuses their values, or their times are those of unit tests.
func casesOfOlderSchemas() []demandCase {
	return []demandCase{
		{"the latest expiresAt", "expiry: {maximum: 48h}", `expiresAt: "2026-11-22T12:00:00.9Z"`, ""},
		{"a later expiresAt", "expiry: {maximum: 48h}", `expiresAt: "2026-11-22T12:00:01Z"`,
			"lets a key live at most 48h from its creation: spec.expiresAt is later."},
		{"a malformed maximum lifetime", "expiry: {maximum: 1d}", "validFor: 48h", ""},
		{"a malformed validFor", "expiry: {maximum: 1h}", "validFor: 1d", ""},
		{"a malformed period", "rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 60, per: 1d}", ""},
		{"a malformed overlap", "rotation: {maximumOverlap: 1h}", "rotation: {overlap: 1d}", ""},
		{"a malformed maximum overlap", "rotation: {maximumOverlap: 1d}", "rotation: {overlap: 48h}", ""},
	}
}
