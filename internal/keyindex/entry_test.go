// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestWhatIsKeptOfAnAPIKey(t *testing.T) {
	index := newIndex(t)
	apiKeys := index.APIKeys()
	digest, other := keys.DigestOf("a"), keys.DigestOf("b")
	if err := apiKeys.Add(&v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "storefront", Name: "main-website", UID: "u"},
		Spec: v1alpha1.APIKeySpec{
			Environment: v1alpha1.EnvironmentStaging, Owner: "jane@example.com", Suspend: true,
			Permissions: []v1alpha1.Permission{"b", "a"}, Customers: []v1alpha1.Customer{"acme", "initech"},
			RateLimit: &v1alpha1.RateLimit{Requests: 100, Per: "1m", Burst: 20},
		},
		Status: v1alpha1.APIKeyStatus{
			LastUsedAt: &metav1.Time{Time: time.Unix(1_800_000_000, 0)},
			Keys: []v1alpha1.KeyRecord{
				{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive},
				{ID: "forged-id-xx", Digest: other.String(), State: v1alpha1.KeyPending},
				{ID: "aaaaaaaaaaaa", Digest: "no digest", State: v1alpha1.KeyActive},
				{ID: "", Digest: "", State: v1alpha1.KeyActive},
			},
		},
	}); err != nil {
		t.Fatal(err)
	}
	want := &access.Subject{
		Namespace: "storefront", Name: "main-website", UID: "u", Owner: "jane@example.com",
		Environment: v1alpha1.EnvironmentStaging, Limit: access.Limit{Requests: 100, Burst: 20, Per: time.Minute},
		ExpiresAt: access.Never, LastUsedAt: 1_800_000_000, Suspended: true,
		Rights: &access.Rights{Permissions: []v1alpha1.Permission{"b", "a"}}, Customers: "acme,initech",
	}
	if diff := cmp.Diff(want, index.Subject("storefront", "main-website", "u"), cmpopts.IgnoreUnexported(access.Rights{})); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	for _, d := range []keys.Digest{digest, other} {
		if got := index.Find(d); got == nil || got.ID != d.ID() || got.NotAfter != access.Never {
			t.Errorf("grant %+v, want one with the id %s", got, d.ID())
		}
	}
	if index.Subject("storefront", "main-website", "another") != nil || index.Subject("storefront", "other", "u") != nil {
		t.Error("a subject of another uid or name was found")
	}
	if err := apiKeys.Add(&v1alpha1.APIKeyRole{}); err == nil {
		t.Error("a role was taken for an APIKey")
	}
}

// Keys with the same permissions and roles share them, and let go of them when they change or go.
func TestRightsAreShared(t *testing.T) {
	index := newIndex(t)
	apiKeys := index.APIKeys()
	key := func(name string, roles ...v1alpha1.RoleName) *v1alpha1.APIKey {
		return &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, UID: "u"},
			Spec:       v1alpha1.APIKeySpec{Permissions: []v1alpha1.Permission{"a"}, Roles: roles},
		}
	}
	for _, each := range []*v1alpha1.APIKey{key("first", "r", "s"), key("second", "r", "s"), key("third", "s", "r"), key("third", "r")} {
		if err := apiKeys.Add(each); err != nil {
			t.Fatal(err)
		}
	}
	first, second, third := index.Subject("n", "first", "u").Rights, index.Subject("n", "second", "u").Rights, index.Subject("n", "third", "u").Rights
	if first != second || first == third {
		t.Errorf("%p and %p have the same roles, %p has others", first, second, third)
	}
	if first.Roles[0] != third.Roles[0] {
		t.Error("two sets of rights do not share the role that both name")
	}
	if _, roles, _ := index.Sizes(); roles != 2+2 {
		t.Errorf("there are %d roles and rights, want 2 of each", roles)
	}
}

// What admission lets nobody store must still not give a key more than it was meant to have.
func TestTheLimitInForceCounts(t *testing.T) {
	declared, inForce := &v1alpha1.RateLimit{Requests: 100, Per: "1m"}, &v1alpha1.RateLimit{Requests: 5, Per: "1s"}
	for name, c := range map[string]struct {
		spec, status *v1alpha1.RateLimit
		want         access.Limit
	}{
		"over that of spec":                          {declared, inForce, access.Limit{Requests: 5, Burst: 5, Per: time.Second}},
		"where spec has none":                        {nil, inForce, access.Limit{Requests: 5, Burst: 5, Per: time.Second}},
		"and that of spec before the operator knows": {declared, nil, access.Limit{Requests: 100, Burst: 100, Per: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			index := newIndex(t)
			if err := index.APIKeys().Add(&v1alpha1.APIKey{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "k", UID: "u"},
				Spec:       v1alpha1.APIKeySpec{RateLimit: c.spec}, Status: v1alpha1.APIKeyStatus{RateLimit: c.status},
			}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, index.Subject("n", "k", "u").Limit); diff != "" {
				t.Errorf("limit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]struct {
		declared *v1alpha1.RateLimit
		want     access.Limit
	}{
		"none":                     {nil, access.Limit{}},
		"no period":                {&v1alpha1.RateLimit{Requests: 5}, access.Limit{Requests: 5, Burst: 5, Per: 24 * time.Hour}},
		"a period of nothing":      {&v1alpha1.RateLimit{Requests: 5, Per: "0s"}, access.Limit{Requests: 5, Burst: 5, Per: 24 * time.Hour}},
		"a period that is no time": {&v1alpha1.RateLimit{Requests: 5, Per: "day"}, access.Limit{Requests: 5, Burst: 5, Per: 24 * time.Hour}},
		"no requests":              {&v1alpha1.RateLimit{Per: "1s"}, access.Limit{Requests: 1, Burst: 1, Per: time.Second}},
		"a period below a second":  {&v1alpha1.RateLimit{Requests: 5, Per: "10ms"}, access.Limit{Requests: 5, Burst: 5, Per: 24 * time.Hour}},
		"a period above a day":     {&v1alpha1.RateLimit{Requests: 5, Per: "25h"}, access.Limit{Requests: 5, Burst: 5, Per: 24 * time.Hour}},
		"too many requests": {
			&v1alpha1.RateLimit{Requests: 2_000_000, Burst: 3_000_000, Per: "1s"},
			access.Limit{Requests: 1_000_000, Burst: 1_000_000, Per: time.Second},
		},
		"fewer than no requests": {&v1alpha1.RateLimit{Requests: -5, Per: "1s"}, access.Limit{Requests: 1, Burst: 1, Per: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			index := newIndex(t)
			apiKeys := index.APIKeys()
			if err := apiKeys.Add(&v1alpha1.APIKey{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "k", UID: "u"}, Spec: v1alpha1.APIKeySpec{RateLimit: c.declared},
			}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, index.Subject("n", "k", "u").Limit); diff != "" {
				t.Errorf("limit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	m, index := newModel(1), newIndex(t)
	apiKeys, roles := index.APIKeys(), index.Roles()
	for range 100 {
		m.change(t, 50, apiKeys, roles)
	}
	digest := keys.DigestOf(m.texts[0])
	if allocs := testing.AllocsPerRun(100, func() { _ = index.Find(digest) }); allocs != 0 {
		t.Errorf("Find allocates %.0f times", allocs)
	}
}
