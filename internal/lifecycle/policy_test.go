// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// policy is one with a spec in YAML.
func policy(t *testing.T, name, spec string) *v1alpha1.APIKeyPolicy {
	t.Helper()
	p := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("policy %s: %v", spec, err)
	}

	return p
}

// policies are those with the specs, called a, b, c…
func policies(t *testing.T, specs ...string) []*v1alpha1.APIKeyPolicy {
	t.Helper()
	all := make([]*v1alpha1.APIKeyPolicy, len(specs))
	for i, spec := range specs {
		all[i] = policy(t, string(rune('a'+i)), spec)
	}

	return all
}

// declared is a key that was created a day ago with a spec in YAML, in Production where it does not say otherwise.
func declared(t *testing.T, spec string) *v1alpha1.APIKey {
	t.Helper()
	key := settled(minted())
	if err := yaml.UnmarshalStrict([]byte(spec), &key.Spec); err != nil {
		t.Fatalf("spec %s: %v", spec, err)
	}

	return key
}

func TestSelects(t *testing.T) {
	labels := map[string]string{"team": "shop", "tier": "", "example.com/region": "eu"}
	for name, c := range map[string]struct {
		selector string
		want     bool
	}{
		"no selector":                               {"{environments: [Staging]}", true},
		"an empty selector":                         {"namespaceSelector: {}", true},
		"a label that is there":                     {"namespaceSelector: {matchLabels: {team: shop}}", true},
		"a label with another value":                {"namespaceSelector: {matchLabels: {team: web}}", false},
		"a label that is not there":                 {"namespaceSelector: {matchLabels: {cost: shop}}", false},
		"an empty value that is there":              {`namespaceSelector: {matchLabels: {tier: ""}}`, true},
		"an empty value of a label that is not":     {`namespaceSelector: {matchLabels: {cost: ""}}`, false},
		"one label of two":                          {"namespaceSelector: {matchLabels: {team: shop, cost: a}}", false},
		"In, listed":                                {"namespaceSelector: {matchExpressions: [{key: example.com/region, operator: In, values: [us, eu]}]}", true},
		"In, not listed":                            {"namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [us, eu]}]}", false},
		"In, not there":                             {"namespaceSelector: {matchExpressions: [{key: cost, operator: In, values: [us, eu]}]}", false},
		"NotIn, listed":                             {"namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}", false},
		"NotIn, not listed":                         {"namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [web]}]}", true},
		"NotIn, not there":                          {"namespaceSelector: {matchExpressions: [{key: cost, operator: NotIn, values: [web]}]}", true},
		"Exists, there":                             {"namespaceSelector: {matchExpressions: [{key: tier, operator: Exists}]}", true},
		"Exists, not there":                         {"namespaceSelector: {matchExpressions: [{key: cost, operator: Exists}]}", false},
		"DoesNotExist, there":                       {"namespaceSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}", false},
		"DoesNotExist, not there":                   {"namespaceSelector: {matchExpressions: [{key: cost, operator: DoesNotExist}]}", true},
		"labels that match, expressions that not":   {"namespaceSelector: {matchLabels: {team: shop}, matchExpressions: [{key: cost, operator: Exists}]}", false},
		"an operator that nobody could have stored": {"namespaceSelector: {matchExpressions: [{key: team, operator: Above, values: [a]}]}", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifecycle.Selects(policy(t, "a", c.selector), labels); got != c.want {
				t.Errorf("selected: %v", got)
			}
		})
	}
}

func TestViolations(t *testing.T) {
	const many = "[p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11]"
	for name, c := range map[string]struct {
		policy, spec string
		want         string // after the name of the policy; empty: none
	}{
		"an environment that is listed":            {"environments: [Staging, Production]", "{}", ""},
		"an environment that is not":               {"environments: [Staging, Development]", "{}", `does not allow environment "Production": it allows "Staging", "Development".`},
		"permissions that are listed":              {"permissions: [a, b]", "permissions: [b]", ""},
		"no permissions":                           {"permissions: [a]", "{}", ""},
		"permissions that are not":                 {"permissions: [a, b]", "permissions: [b, c, d]", `does not allow permissions "c", "d": it allows "a", "b".`},
		"more permissions than an answer can name": {"permissions: " + many, "permissions: [a]", `does not allow permissions "a": it allows those in its spec.permissions.`},
		"roles that are listed":                    {"roles: [a]", "roles: [a]", ""},
		"roles that are not":                       {"roles: [a]", "{roles: [b], permissions: [a]}", `does not allow roles "b": it allows "a".`},

		"a required expiry":                   {"expiry: {required: true}", "validFor: 1h", ""},
		"a required expiry, the other way":    {"expiry: {required: true}", `expiresAt: "2027-11-21T00:00:00Z"`, ""},
		"a required expiry, missing":          {"expiry: {required: true}", "{}", "demands an expiry: set spec.expiresAt or spec.validFor."},
		"a required expiry, with a default":   {"expiry: {required: true, default: 1h}", "{}", ""},
		"a required expiry, with a maximum":   {"expiry: {required: true, maximum: 1h}", "{}", "demands an expiry: set spec.expiresAt or spec.validFor."},
		"the longest validFor":                {"expiry: {maximum: 48h}", "validFor: 2880m", ""},
		"a longer validFor":                   {"expiry: {maximum: 48h}", "validFor: 48h1s", "lets a key live at most 48h from its creation: spec.validFor is 48h1s."},
		"the latest expiresAt":                {"expiry: {maximum: 48h}", `expiresAt: "2026-11-22T12:00:00.9Z"`, ""},
		"a later expiresAt":                   {"expiry: {maximum: 48h}", `expiresAt: "2026-11-22T12:00:01Z"`, "lets a key live at most 48h from its creation: spec.expiresAt is later."},
		"no expiry, with a maximum":           {"expiry: {maximum: 48h}", "{}", ""},
		"a maximum that nobody could store":   {"expiry: {maximum: 1d}", "validFor: 48h", ""},
		"a validFor that nobody could store":  {"expiry: {maximum: 1h}", "validFor: 1d", ""},
		"the highest rate":                    {"rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 1, per: 1s}", ""},
		"a higher rate":                       {"rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 61, per: 60s, burst: 60}", "allows at most 60 requests per 1m: spec.rateLimit has 61 per 60s."},
		"no rate, with a maximum":             {"rateLimit: {maximum: {requests: 60, per: 1m}}", "{}", ""},
		"a rate, with a default":              {"rateLimit: {default: {requests: 60, per: 1m}}", "rateLimit: {requests: 100, per: 1m}", ""},
		"the largest burst":                   {"rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 5, per: 1m}", ""},
		"a larger burst":                      {"rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 5, per: 1m, burst: 6}", "allows a burst of at most 5: spec.rateLimit has one of 6."},
		"a larger burst than requests":        {"rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 5, per: 1m, burst: 61}", "allows a burst of at most 60: spec.rateLimit has one of 61."},
		"a larger burst that nobody has set":  {"rateLimit: {maximum: {requests: 60, per: 1m, burst: 5}}", "rateLimit: {requests: 6, per: 1m}", "allows a burst of at most 5: spec.rateLimit has one of 6, as many as requests, because it sets no burst."},
		"a period that nobody could store":    {"rateLimit: {maximum: {requests: 60, per: 1m}}", "rateLimit: {requests: 60, per: 1d}", ""},
		"a required rotation":                 {"rotation: {required: true}", "rotation: {every: 1h}", ""},
		"a required rotation, missing":        {"rotation: {required: true}", "{}", "demands a rotation: set spec.rotation.every."},
		"a required rotation without a clock": {"rotation: {required: true}", "rotation: {overlap: 1h}", "demands a rotation: set spec.rotation.every."},
		"a required rotation and a maximum":   {"rotation: {required: true, maximumAge: 24h}", "{}", "demands a rotation: set spec.rotation.every to at most 24h."},
		"the rarest rotation":                 {"rotation: {maximumAge: 24h}", "rotation: {every: 1440m}", ""},
		"a rarer rotation":                    {"rotation: {maximumAge: 24h}", "rotation: {every: 24h1s}", "demands that a key is at most 24h old: spec.rotation.every is 24h1s."},
		"no rotation, with a maximum":         {"rotation: {maximumAge: 24h}", "{}", ""},
		"the longest overlap":                 {"rotation: {maximumOverlap: 1h}", "rotation: {overlap: 60m}", ""},
		"no overlap":                          {"rotation: {maximumOverlap: 0s}", "rotation: {every: 1h}", ""},
		"no rotation, with a maximum overlap": {"rotation: {maximumOverlap: 0s}", "{}", ""},
		"a longer overlap":                    {"rotation: {maximumOverlap: 1h}", "rotation: {overlap: 1h1s}", "lets a replaced key work at most 1h longer: spec.rotation.overlap is 1h1s."},
		"an overlap that nobody could store":  {"rotation: {maximumOverlap: 1h}", "rotation: {overlap: 1d}", ""},
		"a maximum overlap that nobody could": {"rotation: {maximumOverlap: 1d}", "rotation: {overlap: 48h}", ""},
		"customers that are listed":           {"customers: {allowed: [a, b]}", "customers: [b]", ""},
		"customers that are not":              {"customers: {allowed: [a]}", "customers: [c, a, b]", `does not allow customers "c", "b": it allows "a".`},
		"more customers than can be named":    {"customers: {allowed: " + many + "}", "customers: [a]", `does not allow customers "a": it allows those in its spec.customers.allowed.`},
		"all customers where some are listed": {"customers: {allowed: [a]}", "{}", "demands customers: set spec.customers, without which a key is for every customer."},
		"all customers where required":        {"customers: {required: true}", "{}", "demands customers: set spec.customers, without which a key is for every customer."},
		"customers where required":            {"customers: {required: true}", "customers: [a]", ""},
		"labels with a prefix":                {"secret: {labelPrefixes: [a/, b]}", "secret: {labels: {a/x: v, bx: v}, annotations: {c: v}}", ""},
		"labels without a prefix":             {"secret: {labelPrefixes: [a/, b]}", "secret: {labels: {d: v, c: v, a/x: v}}", `does not allow the label "c" on a Secret: it allows names that begin with "a/", "b".`},
		"annotations without a prefix":        {"secret: {annotationPrefixes: [a/]}", "secret: {labels: {b: v}, annotations: {b: v}}", `does not allow the annotation "b" on a Secret: it allows names that begin with "a/".`},
		"no labels, with prefixes":            {"secret: {labelPrefixes: [a/]}", "{}", ""},
		"labels, with prefixes for others":    {"secret: {annotationPrefixes: [a/]}", "secret: {labels: {b: v}}", ""},
		"more prefixes than can be named":     {"secret: {labelPrefixes: " + many + "}", "secret: {labels: {b: v}}", `does not allow the label "b" on a Secret: it allows names that begin with those in its spec.secret.labelPrefixes.`},
		"a rotation, with no maximum":         {"rotation: {required: false}", "rotation: {every: 999999h}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			if c.want != "" {
				want = []string{`APIKeyPolicy "a" ` + c.want}
			}
			if diff := cmp.Diff(want, lifecycle.Violations(declared(t, c.spec), policies(t, c.policy), now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
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
	if diff := cmp.Diff(want, lifecycle.Violations(declared(t, "{permissions: [b], roles: [b]}"), all, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if all[0].Name != "c" {
		t.Error("the order of the caller's list has changed")
	}
}

func TestAKeyThatIsTooOld(t *testing.T) {
	const tooOld = `APIKeyPolicy "a" demands that a key is at most 24h old: the active one is older. Rotate it, or set spec.rotation.every.`
	every := func(d v1alpha1.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Every: d} }
	}
	for name, c := range map[string]struct {
		key  *v1alpha1.APIKey
		at   time.Time
		want []string
	}{
		"young enough":          {settled(), created.Add(24*time.Hour - time.Second), nil},
		"too old":               {settled(), created.Add(24 * time.Hour), []string{tooOld}},
		"replaced by the clock": {settled(every("24h")), created.Add(48 * time.Hour), nil},
		"replaced by a clock that makes no sense": {settled(every("daily")), created.Add(24 * time.Hour), []string{tooOld}},
		"not handed out": {settled(minted()), created.Add(48 * time.Hour), nil},
		"replaced since": {settled(with(record("old", v1alpha1.KeyRetiring, now.Add(time.Hour)))), created.Add(48 * time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.Violations(c.key, policies(t, "rotation: {maximumAge: 24h}"), c.at)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
