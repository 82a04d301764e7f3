// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Grants are what a user may put on the APIKeys of a namespace.
type Grants struct {
	Environments, Permissions, Roles, Owners Names
	// Incomplete tells that an authorizer could not list all rules: the user may hold more grants than these.
	Incomplete bool
}

// Names are names that rules list.
type Names struct {
	// Any: a rule lists no names, which covers every one.
	Any bool
	// Listed are those that rules name, sorted.
	Listed []string
}

// Covers reports whether a name is among them.
func (n Names) Covers(name string) bool { return n.Any || slices.Contains(n.Listed, name) }

// Cover reports whether a grant is among these.
func (g Grants) Cover(grant Grant) bool {
	names := map[string]Names{
		"use environments": g.Environments, "grant permissions": g.Permissions, "grant roles": g.Roles, "assign owners": g.Owners,
	}[grant.Verb+" "+grant.Resource]

	return names.Covers(grant.Name)
}

// MyGrants asks the API server what the user may put on the APIKeys of a namespace.
func (s Service) MyGrants(ctx context.Context, namespace string) (Grants, error) {
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	if err := s.Client.Create(ctx, review); err != nil {
		return Grants{}, WithMissingRule(err)
	}
	grants := Grants{Incomplete: review.Status.Incomplete}
	for i := range review.Status.ResourceRules {
		rule := &review.Status.ResourceRules[i]
		grants.Environments.add(rule, "use", "environments")
		grants.Permissions.add(rule, "grant", "permissions")
		grants.Roles.add(rule, "grant", "roles")
		grants.Owners.add(rule, "assign", "owners")
	}

	return grants, nil
}

// add takes in what a rule says about a verb on a resource.
func (n *Names) add(rule *authorizationv1.ResourceRule, verb, resource string) {
	covers := func(list []string, item string) bool {
		return slices.Contains(list, item) || slices.Contains(list, "*")
	}
	if !covers(rule.APIGroups, v1alpha1.GroupName) || !covers(rule.Resources, resource) || !covers(rule.Verbs, verb) {
		return
	}
	if len(rule.ResourceNames) == 0 {
		n.Any = true

		return
	}
	n.Listed = append(n.Listed, rule.ResourceNames...)
	slices.Sort(n.Listed)
	n.Listed = slices.Compact(n.Listed)
}
