// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

func TestLists(t *testing.T) {
	for name, c := range map[string]struct {
		items     []string
		want      access.List
		all, none []string
	}{
		"none":                 {nil, "", nil, []string{"", ",", "a"}},
		"one":                  {[]string{"acme"}, "acme", []string{"acme"}, []string{"", "a", "acm", "cme", "acme2", "Acme", "acme,"}},
		"several":              {[]string{"b", "a", "b"}, "b,a,b", []string{"b", "a", "b"}, []string{"", ",", "b,a", "a,b", ",a", "a,"}},
		"one in another":       {[]string{"orders:read", "orders"}, "orders:read,orders", []string{"orders:read", "orders"}, []string{"read", "order"}},
		"one with a comma":     {[]string{"a,b", "c"}, "c", []string{"c"}, []string{"a", "b", "a,b"}},
		"an empty one":         {[]string{"", "c", ""}, "c", []string{"c"}, []string{""}},
		"nothing but an empty": {[]string{""}, ",", nil, []string{"", ",", "a"}},
		"nothing but a comma":  {[]string{","}, ",", nil, []string{"", ",", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			list := access.ListOf(c.items)
			if list != c.want {
				t.Errorf("list %q, want %q", list, c.want)
			}
			if diff := cmp.Diff(c.all, slices.Collect(list.All())); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			for _, item := range c.all {
				if !list.Has(item) {
					t.Errorf("%q is missing", item)
				}
			}
			for _, item := range c.none {
				if list.Has(item) {
					t.Errorf("%q is there", item)
				}
			}
			for item := range list.All() { // whoever has seen enough can stop
				if item != c.all[0] {
					t.Errorf("first %q, want %q", item, c.all[0])
				}

				break
			}
		})
	}
}

// A customer that cannot be named must not open the key to every customer.
func TestAListOfNothingIsNotTheEmptyList(t *testing.T) {
	subject := access.Subject{Customers: access.ListOf([]string{""})}
	if subject.Serves("acme") {
		t.Error("the key serves everybody")
	}
}

func TestTheListOfRights(t *testing.T) {
	changing, missing, huge := &access.Role{}, &access.Role{}, &access.Role{}
	for i := range 64 {
		huge.Set(append(huge.Permissions(), v1alpha1.Permission(fmt.Sprintf("p%02d:read-and-write", i))))
	}
	own := []v1alpha1.Permission{"b", "a", "b"}
	for name, c := range map[string]struct {
		rights        *access.Rights
		before, after access.List
	}{
		"no rights":                 {nil, "", ""},
		"none":                      {&access.Rights{}, "", ""},
		"of the key alone":          {&access.Rights{Permissions: own}, "b,a,b", "b,a,b"},
		"with a role":               {&access.Rights{Permissions: own, Roles: []*access.Role{changing}}, "a,b,c", "a,b,d"},
		"with a role, and none":     {&access.Rights{Permissions: own, Roles: []*access.Role{missing, changing}}, "a,b,c", "a,b,d"},
		"with a role that is empty": {&access.Rights{Permissions: own, Roles: []*access.Role{missing}}, "a,b", "a,b"},
	} {
		for range 2 { // the second time it is known
			changing.Set([]v1alpha1.Permission{"c", "b"})
			for range 2 {
				if got := c.rights.List(); got != c.before {
					t.Errorf("%s: %q, want %q", name, got, c.before)
				}
			}
			changing.Set([]v1alpha1.Permission{"d", "b"})
			if got := c.rights.List(); got != c.after {
				t.Errorf("%s: %q after a role has changed, want %q", name, got, c.after)
			}
		}
	}
	many := &access.Rights{Permissions: own, Roles: []*access.Role{huge}}
	for range 2 {
		if got := many.List(); len(slices.Collect(got.All())) != 66 {
			t.Errorf("of 66 permissions there are %q", got)
		}
	}
}

// Many requests ask at once while roles change: a list is always of one moment for each role.
func TestListsWhileRolesChange(t *testing.T) {
	role := &access.Role{}
	rights := &access.Rights{Roles: []*access.Role{role}}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for range 2_000 {
				if list := rights.List(); list != "" && list != "a,b" && list != "c" {
					t.Errorf("list %q", list)

					return
				}
			}
		})
	}
	for range 1_000 {
		role.Set([]v1alpha1.Permission{"b", "a"})
		role.Set([]v1alpha1.Permission{"c"})
	}
	asking.Wait()
	if list := rights.List(); list != "c" {
		t.Errorf("list %q after the last change", list)
	}
}
