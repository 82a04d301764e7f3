// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// maxOffers bounds what a list of the form offers. What is not in it can be typed by a person who may grant it.
const maxOffers = 200

// offer is something that the form offers.
type offer struct {
	Name string
	// Detail says more about it, and Why says why it cannot be chosen; empty: it can.
	Detail, Why string
	Chosen      bool
}

// offers is what a form offers in one namespace.
type offers struct {
	Environments, Permissions, Roles []offer
	// TypePermissions and TypeRoles tell that the person may grant more than the lists hold.
	TypePermissions, TypeRoles bool
	// Owners are those that the person may assign; AnyOwner tells that these are all.
	Owners   []string
	AnyOwner bool
}

// offered returns what the user may put on an APIKey of the namespace of a form. What others may is offered too, and cannot be chosen.
func (s *server) offered(ctx context.Context, f createForm, around operations.Surroundings) (offers, error) {
	grants, err := s.Service.MyGrants(ctx, f.Namespace)
	if err != nil {
		return offers{}, err
	}
	probe, _ := f.apikey()
	policies := around.PoliciesFor(probe)
	known, roles := s.fleet.known(), slices.Sorted(maps.Keys(around.Roles))
	for _, role := range roles {
		known.permissions = append(known.permissions, texts(around.Roles[role])...)
	}
	allowed := limitsOf(policies)
	for _, limit := range allowed.permissions {
		known.permissions = append(known.permissions, limit.names...)
	}
	o := offers{
		TypePermissions: grants.Permissions.Any || grants.Incomplete, TypeRoles: grants.Roles.Any || grants.Incomplete,
		Owners: grants.Owners.Listed, AnyOwner: grants.Owners.Any || grants.Incomplete,
	}
	environments := reasons{grants.Environments, allowed.environments, grants.Incomplete, "use"}
	for _, name := range environmentNames() {
		o.Environments = append(o.Environments, offer{Name: name, Why: environments.why(name), Chosen: name == f.Environment})
	}
	o.Permissions = listOffers(known.permissions, grants.Permissions.Listed, f.Permissions,
		reasons{grants.Permissions, allowed.permissions, grants.Incomplete, "grant"})
	o.Roles = listOffers(append(texts(roles), known.roles...), grants.Roles.Listed, f.Roles,
		reasons{grants.Roles, allowed.roles, grants.Incomplete, "grant"})
	for i := range o.Roles {
		o.Roles[i].Detail = strings.Join(texts(around.Roles[v1alpha1.RoleName(o.Roles[i].Name)]), ", ")
	}

	return o, nil
}

// reasons say why a name cannot be chosen.
type reasons struct {
	grants operations.Names
	limits []policyLimit
	// unsure tells that the API server could not list what the user may do.
	unsure bool
	verb   string
}

// why returns why a name cannot be chosen; empty: it can.
func (r reasons) why(name string) string {
	if !r.grants.Covers(name) && !r.unsure {
		return "you may not " + r.verb + " this"
	}
	for _, limit := range r.limits {
		if !slices.Contains(limit.names, name) {
			return fmt.Sprintf("policy %s does not allow it", limit.policy)
		}
	}

	return ""
}

// listOffers returns an offer for each name, once: those that can be chosen first.
func listOffers(known, granted, chosen []string, r reasons) []offer {
	names := slices.Concat(known, granted, chosen)
	slices.Sort(names)
	var can, cannot []offer
	for _, name := range slices.Compact(names) {
		if name == "" {
			continue
		}
		o := offer{Name: name, Why: r.why(name), Chosen: slices.Contains(chosen, name)}
		if o.Why == "" {
			can = append(can, o)
		} else {
			cannot = append(cannot, o)
		}
	}
	all := slices.Concat(can, cannot)

	return all[:min(len(all), maxOffers)]
}

// policyLimit is the list of names that one policy allows.
type policyLimit struct {
	policy string
	names  []string
}

// policyLimits are the lists of all policies that apply.
type policyLimits struct{ environments, permissions, roles []policyLimit }

func limitsOf(policies []*v1alpha1.APIKeyPolicy) policyLimits {
	var l policyLimits
	add := func(to *[]policyLimit, policy string, names []string) {
		if len(names) > 0 {
			*to = append(*to, policyLimit{policy, names})
		}
	}
	for _, p := range policies {
		add(&l.environments, p.Name, texts(p.Spec.Environments))
		add(&l.permissions, p.Name, texts(p.Spec.Permissions))
		add(&l.roles, p.Name, texts(p.Spec.Roles))
	}

	return l
}

func environmentNames() []string {
	return []string{string(v1alpha1.EnvironmentProduction), string(v1alpha1.EnvironmentStaging), string(v1alpha1.EnvironmentDevelopment)}
}

func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, one := range list {
		all[i] = string(one)
	}

	return all
}

// inUse is what the keys of the page use.
type inUse struct{ namespaces, permissions, roles []string }

// known returns what the keys that were read use, each once and sorted.
func (f *fleet) known() inUse {
	f.mu.Lock()
	defer f.mu.Unlock()
	namespaces, permissions, roles := map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	for name, s := range f.apikeys {
		namespaces[name.Namespace] = struct{}{}
		for _, permission := range s.view.Permissions {
			permissions[string(permission)] = struct{}{}
		}
		for _, role := range s.view.Roles {
			roles[string(role)] = struct{}{}
		}
	}

	return inUse{slices.Sorted(maps.Keys(namespaces)), slices.Sorted(maps.Keys(permissions)), slices.Sorted(maps.Keys(roles))}
}
