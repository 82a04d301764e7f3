// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Offer is what can be put on a key: names that the user may put on it, and names that exist in the cluster which the user may not.
type Offer struct {
	Names

	// Others are known names that the user holds no grant for, sorted.
	Others []string
}

// OfferPermissions returns the permissions that the user may grant, with those that roles and policies name.
func OfferPermissions(grants Grants, around Surroundings, namespace string) Offer {
	known := map[string]bool{}
	for _, permissions := range around.Roles {
		for _, permission := range permissions {
			known[string(permission)] = true
		}
	}
	for _, policy := range around.PoliciesFor(&v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}) {
		for _, permission := range policy.Spec.Permissions {
			known[string(permission)] = true
		}
	}

	return offer(grants.Permissions, known)
}

// OfferRoles returns the APIKeyRoles that the user may put on a key, and the others.
func OfferRoles(grants Grants, around Surroundings) Offer {
	known := map[string]bool{}
	for role := range around.Roles {
		known[string(role)] = true
	}

	return offer(grants.Roles, known)
}

// offer tells known names that are granted from others. Where a rule covers every name, the known ones are listed as granted.
func offer(granted Names, known map[string]bool) Offer {
	o := Offer{Names: Names{Any: granted.Any, Listed: slices.Clone(granted.Listed)}}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		switch {
		case !granted.Covers(name):
			o.Others = append(o.Others, name)
		case !slices.Contains(o.Listed, name):
			o.Listed = append(o.Listed, name)
		}
	}
	slices.Sort(o.Listed)

	return o
}
