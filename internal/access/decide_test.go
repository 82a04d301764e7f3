// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// asked is a request that the grant of granted passes.
func asked() access.Request {
	return access.Request{
		Credential: access.Presented, Environment: v1alpha1.EnvironmentProduction,
		Permission: "customers:read", Customer: "acme",
	}
}

func granted() *access.Grant {
	synchronizer := &access.Role{}
	synchronizer.Set([]v1alpha1.Permission{"orders:read", "orders:write"})

	return &access.Grant{
		ID: "ungWv48Bz-pB", NotAfter: access.Never,
		Subject: &access.Subject{
			Namespace: "storefront", Name: "main-website", UID: "u",
			Environment: v1alpha1.EnvironmentProduction,
			Rights: &access.Rights{
				Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"},
				Roles:       []*access.Role{{}, synchronizer},
			},
			Customers: "acme,initech",
			ExpiresAt: access.Never,
		},
	}
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		request func(*access.Request)
		grant   func(*access.Grant)
		want    access.Reason
	}{
		"a key with everything that the endpoint needs": {nil, nil, access.Allowed},

		"no environment":                              {func(r *access.Request) { r.Environment = "" }, nil, access.Misconfigured},
		"an environment that does not exist":          {func(r *access.Request) { r.Environment = "production" }, nil, access.Misconfigured},
		"no environment and no credential":            {func(r *access.Request) { *r = access.Request{} }, nil, access.Misconfigured},
		"no credential":                               {func(r *access.Request) { r.Credential = access.None }, nil, access.Missing},
		"two credentials":                             {func(r *access.Request) { r.Credential = access.Several }, nil, access.Ambiguous},
		"a credential that is no key":                 {func(r *access.Request) { r.Credential = access.NoKey }, nil, access.Malformed},
		"a state of the credential that is not known": {func(r *access.Request) { r.Credential = 200 }, nil, access.Malformed},

		"knowledge that is too old":                {func(r *access.Request) { r.Stale = true }, nil, access.Stale},
		"knowledge that is too old of a bad grant": {func(r *access.Request) { r.Stale = true }, func(g *access.Grant) { *g = access.Grant{} }, access.Stale},
		"no credential, and knowledge too old":     {func(r *access.Request) { r.Stale, r.Credential = true, access.None }, nil, access.Missing},
		"no environment, and knowledge too old":    {func(r *access.Request) { r.Stale, r.Environment = true, "" }, nil, access.Misconfigured},

		"a revoked key that two APIKeys have a record of": {nil, func(g *access.Grant) { g.Disputed, g.Subject.Revoked = true, true }, access.Disputed},
		"a grant without a subject":                       {nil, func(g *access.Grant) { g.Subject = nil }, access.Unknown},
		"the zero grant":                                  {nil, func(g *access.Grant) { *g = access.Grant{} }, access.Unknown},
		"a key that two APIKeys have a record of":         {nil, func(g *access.Grant) { g.Disputed = true }, access.Disputed},
		"the zero subject":                                {nil, func(g *access.Grant) { g.Subject = &access.Subject{} }, access.Expired},
		"a revoked key":                                   {nil, func(g *access.Grant) { g.Subject.Revoked = true }, access.Revoked},
		"a revoked and expired key":                       {nil, func(g *access.Grant) { g.Subject.Revoked, g.Subject.Expired = true, true }, access.Revoked},
		"a key reported as expired":                       {nil, func(g *access.Grant) { g.Subject.Expired = true }, access.Expired},
		"an expired and suspended key":                    {nil, func(g *access.Grant) { g.Subject.Expired, g.Subject.Suspended = true, true }, access.Expired},
		"a key at the second of its expiry":               {nil, func(g *access.Grant) { g.Subject.ExpiresAt = noon.Unix() }, access.Expired},
		"a key in the second before its expiry":           {nil, func(g *access.Grant) { g.Subject.ExpiresAt = noon.Unix() + 1 }, access.Allowed},
		"a key at the second of its claim deadline": {
			nil, func(g *access.Grant) { g.Subject.ExpiresAt, g.Subject.Unclaimed = noon.Unix(), true }, access.Revoked,
		},
		"a key in the second before its claim deadline": {
			nil, func(g *access.Grant) { g.Subject.ExpiresAt, g.Subject.Unclaimed = noon.Unix()+1, true }, access.Allowed,
		},
		"an expired key that was not claimed": {
			nil, func(g *access.Grant) {
				g.Subject.Expired, g.Subject.ExpiresAt, g.Subject.Unclaimed = true, noon.Unix(), true
			}, access.Expired,
		},
		"a suspended key that was not claimed in time": {
			nil, func(g *access.Grant) {
				g.Subject.Suspended, g.Subject.ExpiresAt, g.Subject.Unclaimed = true, noon.Unix(), true
			}, access.Revoked,
		},
		"a suspended key": {nil, func(g *access.Grant) { g.Subject.Suspended = true }, access.Suspended},
		"a suspended key of another environment": {nil, func(g *access.Grant) {
			g.Subject.Suspended, g.Subject.Environment = true, "Staging"
		}, access.Suspended},
		"an old key at the end of its overlap": {nil, func(g *access.Grant) { g.NotAfter = noon.Unix() }, access.Expired},
		"an old key during its overlap":        {nil, func(g *access.Grant) { g.NotAfter = noon.Unix() + 1 }, access.Allowed},
		"an old key as far ahead as may be":    {nil, func(g *access.Grant) { g.NotAfter = noon.Add(v1alpha1.MaxNotAfter).Unix() }, access.Allowed},
		"an old key further ahead than that":   {nil, func(g *access.Grant) { g.NotAfter = noon.Add(v1alpha1.MaxNotAfter).Unix() + 1 }, access.Expired},
		"an old key until the year 2999":       {nil, func(g *access.Grant) { g.NotAfter = 32503679999 }, access.Expired},
		"a key that has no end":                {nil, func(g *access.Grant) { g.NotAfter = 0 }, access.Expired},

		"a key of another environment": {func(r *access.Request) { r.Environment = v1alpha1.EnvironmentStaging }, nil, access.WrongEnvironment},
		"a key without an environment": {nil, func(g *access.Grant) { g.Subject.Environment = "" }, access.WrongEnvironment},
		"wrong environment and permission": {func(r *access.Request) {
			r.Environment, r.Permission = v1alpha1.EnvironmentStaging, "x"
		}, nil, access.WrongEnvironment},
		"an endpoint that needs only a key":  {func(r *access.Request) { r.Permission, r.Customer = "", "" }, nil, access.Allowed},
		"a permission that is not granted":   {func(r *access.Request) { r.Permission = "customers:write" }, nil, access.PermissionDenied},
		"a part of a permission":             {func(r *access.Request) { r.Permission = "customers" }, nil, access.PermissionDenied},
		"a permission in other letters":      {func(r *access.Request) { r.Permission = "Customers:Read" }, nil, access.PermissionDenied},
		"a permission of a role":             {func(r *access.Request) { r.Permission = "orders:write" }, nil, access.Allowed},
		"no permissions at all":              {nil, func(g *access.Grant) { g.Subject.Rights = &access.Rights{} }, access.PermissionDenied},
		"no rights":                          {nil, func(g *access.Grant) { g.Subject.Rights = nil }, access.PermissionDenied},
		"neither permission nor customer":    {func(r *access.Request) { r.Permission, r.Customer = "x", "x" }, nil, access.PermissionDenied},
		"a customer that is not in the list": {func(r *access.Request) { r.Customer = "globex" }, nil, access.CustomerDenied},
		"a customer in other letters":        {func(r *access.Request) { r.Customer = "Acme" }, nil, access.CustomerDenied},
		"a key for every customer": {
			func(r *access.Request) { r.Customer = "globex" },
			func(g *access.Grant) { g.Subject.Customers = "" },
			access.Allowed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			request, grant := asked(), granted()
			if c.request != nil {
				c.request(&request)
			}
			if c.grant != nil {
				c.grant(grant)
			}
			got := access.Decide(&request, grant, noon)
			if diff := cmp.Diff(access.Decision{Reason: c.want}, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if got.Allowed() != (c.want == access.Allowed) {
				t.Errorf("Allowed is %t", got.Allowed())
			}
		})
	}
}

func TestWithoutAGrantNothingPasses(t *testing.T) {
	request := asked()
	if got := access.Decide(&request, nil, noon); got.Reason != access.Unknown {
		t.Errorf("decided %s", got.Reason)
	}
}

func TestZeroValuesDeny(t *testing.T) {
	if (access.Decision{}).Allowed() {
		t.Error("the zero Decision allows")
	}
	if access.Decide(&access.Request{}, granted(), noon).Allowed() {
		t.Error("the zero Request is allowed")
	}
	if (access.Decision{Reason: access.Allowed}).Limited(access.Quota{}).Allowed() {
		t.Error("the zero Quota allows")
	}
}

func TestALimitOnlyEverRefuses(t *testing.T) {
	for reason := range access.Reasons {
		for _, granted := range []bool{false, true} {
			quota := access.Quota{Granted: granted, Remaining: 3}
			want := reason
			if reason == access.Allowed && !granted {
				want = access.RateLimited
			}
			got := access.Decision{Reason: reason}.Limited(quota)
			if diff := cmp.Diff(access.Decision{Reason: want, Quota: quota}, got); diff != "" {
				t.Errorf("%s, granted %t (-want +got):\n%s", reason, granted, diff)
			}
		}
	}
}

func TestTheZeroLimitIsNone(t *testing.T) {
	if !(access.Limit{}).IsZero() || (access.Limit{Requests: 1, Per: time.Second}).IsZero() {
		t.Error("a limit is told from none by its requests")
	}
}

func TestAChangeOfARoleTakesEffectAtOnce(t *testing.T) {
	grant, request := granted(), asked()
	request.Permission = "invoices:read"
	role := grant.Subject.Rights.Roles[0]
	for _, step := range []struct {
		permissions []v1alpha1.Permission
		want        access.Reason
	}{
		{nil, access.PermissionDenied},
		{[]v1alpha1.Permission{"invoices:read"}, access.Allowed},
		{[]v1alpha1.Permission{"invoices:write"}, access.PermissionDenied},
	} {
		role.Set(step.permissions)
		if got := access.Decide(&request, grant, noon).Reason; got != step.want {
			t.Errorf("with %v: %s, want %s", step.permissions, got, step.want)
		}
	}
}

// The codes are the contract with gateways, the spellings the one with dashboards.
func TestReasons(t *testing.T) {
	codes := map[string]int{}
	for reason := range access.Reasons {
		codes[reason.String()] = reason.Code()
		detail := reason.Detail()
		if (detail == "") != (reason == access.Allowed) || strings.ContainsAny(detail, "\"\n") {
			t.Errorf("%s: detail %q", reason, detail)
		}
	}
	want := map[string]int{
		"missing": 401, "ambiguous": 401, "malformed": 401, "unknown": 401, "revoked": 401, "expired": 401, "suspended": 401,
		"wrong_environment": 401, "permission_denied": 403, "customer_denied": 403, "rate_limited": 429, "misconfigured": 500, "disputed": 401, "stale": 503,
		"allowed": 200,
	}
	if got := access.Reason(200); got.String() != "unknown" || got.Code() != 401 {
		t.Errorf("a reason that does not exist is %s with code %d", got, got.Code())
	}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	request, grant := asked(), granted()
	request.Permission = "orders:write"
	if allocs := testing.AllocsPerRun(100, func() { _ = access.Decide(&request, grant, noon) }); allocs != 0 {
		t.Errorf("Decide allocates %.0f times", allocs)
	}
}

func BenchmarkDecide(b *testing.B) {
	request, grant := asked(), granted()
	b.ReportAllocs()
	for b.Loop() {
		_ = access.Decide(&request, grant, noon)
	}
}
