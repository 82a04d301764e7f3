// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// TestTrace: the first step that refuses is the decision, and there are no steps about a grant where there is none.
func TestTrace(t *testing.T) {
	now := time.Unix(1000, 0)
	live := func() *access.Grant {
		return &access.Grant{NotAfter: access.Never, Subject: &access.Subject{ExpiresAt: access.Never, Environment: v1alpha1.EnvironmentStaging}}
	}
	good := access.Request{Credential: access.Presented, Environment: v1alpha1.EnvironmentStaging}
	for name, test := range map[string]struct {
		request access.Request
		grant   func(*access.Grant)
		none    bool
		refuse  []access.Reason
	}{
		"a live key": {request: good},
		"no grant":   {request: good, none: true, refuse: []access.Reason{access.Unknown}},
		"no credential": {
			request: access.Request{Environment: v1alpha1.EnvironmentStaging},
			none:    true,
			refuse:  []access.Reason{access.Missing, access.Malformed, access.Unknown},
		},
		"a disputed key": {
			request: good,
			grant:   func(g *access.Grant) { g.Disputed = true; g.Subject.Revoked = true },
			refuse:  []access.Reason{access.Disputed},
		},
		"a suspended, replaced key": {
			request: good,
			grant:   func(g *access.Grant) { g.Subject.Suspended = true; g.NotAfter = 999 },
			refuse:  []access.Reason{access.Suspended, access.Expired},
		},
		"another environment and permission": {
			request: access.Request{Credential: access.Presented, Environment: v1alpha1.EnvironmentProduction, Permission: "a", Customer: "b"},
			grant:   func(g *access.Grant) { g.Subject.Customers = "c" },
			refuse:  []access.Reason{access.WrongEnvironment, access.PermissionDenied, access.CustomerDenied},
		},
	} {
		t.Run(name, func(t *testing.T) {
			grant := live()
			if test.grant != nil {
				test.grant(grant)
			}
			if test.none {
				grant = nil
			}
			decision := access.Decide(&test.request, grant, now)
			want := test.refuse
			for _, step := range access.Trace(&test.request, grant, now) {
				if !step.Refuses {
					continue
				}
				if len(want) == 0 || step.Reason != want[0] {
					t.Fatalf("%s refuses, want %v", step.Reason, want)
				}
				if len(want) == len(test.refuse) && decision.Reason != step.Reason {
					t.Errorf("the decision is %s, the first step that refuses %s", decision.Reason, step.Reason)
				}
				want = want[1:]
			}
			if len(want) > 0 || decision.Allowed() != (len(test.refuse) == 0) {
				t.Errorf("%v do not refuse; the decision is %s", want, decision.Reason)
			}
		})
	}
}
