// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Grant is the right to put something on an APIKey.
type Grant struct{ Verb, Resource, Name string }

// String returns the grant as refusals name it.
func (g Grant) String() string { return g.Verb + " on " + g.Resource + "/" + g.Name }

// GrantsFor returns the grants that a person needs to make an APIKey as it is, or to make it count for more.
func GrantsFor(key *v1alpha1.APIKey) []Grant {
	grants := []Grant{{"use", "environments", string(key.Spec.Environment)}}
	for _, permission := range key.Spec.Permissions {
		grants = append(grants, Grant{"grant", "permissions", string(permission)})
	}
	for _, role := range key.Spec.Roles {
		grants = append(grants, Grant{"grant", "roles", string(role)})
	}
	if key.Spec.Owner != "" {
		grants = append(grants, Grant{"assign", "owners", key.Spec.Owner})
	}

	return grants
}

// Missing returns those of the grants that the user does not have in a namespace.
func (s Service) Missing(ctx context.Context, namespace string, grants []Grant) ([]Grant, error) {
	var missing []Grant
	for _, grant := range grants {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: grant.Verb, Group: v1alpha1.GroupName, Resource: grant.Resource, Name: grant.Name,
			},
		}}
		if err := s.Client.Create(ctx, review); err != nil {
			return nil, WithMissingRule(err)
		}
		if !review.Status.Allowed {
			missing = append(missing, grant)
		}
	}

	return missing, nil
}

// Granters lists the subjects that hold grants in a namespace by RBAC. The zero value lists none.
type Granters struct {
	bindings []binding
}

type binding struct {
	subjects []rbacv1.Subject
	rules    []rbacv1.PolicyRule
}

// Granters reads the roles and bindings of a namespace and of the cluster, which needs the right to list them.
func (s Service) Granters(ctx context.Context, namespace string) (Granters, error) {
	var roles rbacv1.RoleList
	var clusterRoles rbacv1.ClusterRoleList
	var bindings rbacv1.RoleBindingList
	var clusterBindings rbacv1.ClusterRoleBindingList
	for _, list := range []struct {
		into      client.ObjectList
		namespace string
	}{{&roles, namespace}, {&clusterRoles, ""}, {&bindings, namespace}, {&clusterBindings, ""}} {
		if err := s.Client.List(ctx, list.into, client.InNamespace(list.namespace)); err != nil {
			return Granters{}, WithMissingRule(err)
		}
	}
	rules := map[rbacv1.RoleRef][]rbacv1.PolicyRule{}
	for i := range roles.Items {
		rules[rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: roles.Items[i].Name}] = roles.Items[i].Rules
	}
	for i := range clusterRoles.Items {
		rules[rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRoles.Items[i].Name}] = clusterRoles.Items[i].Rules
	}
	var g Granters
	for i := range bindings.Items {
		g.bindings = append(g.bindings, binding{bindings.Items[i].Subjects, rules[bindings.Items[i].RoleRef]})
	}
	for i := range clusterBindings.Items {
		g.bindings = append(g.bindings, binding{clusterBindings.Items[i].Subjects, rules[clusterBindings.Items[i].RoleRef]})
	}

	return g, nil
}

// Of returns who holds a grant, such as "User jane", each once and sorted.
func (g Granters) Of(grant Grant) []string {
	var who []string
	for _, b := range g.bindings {
		if !slices.ContainsFunc(b.rules, grant.in) {
			continue
		}
		for _, subject := range b.subjects {
			name := subject.Kind + " " + subject.Name
			if subject.Namespace != "" {
				name = subject.Kind + " " + subject.Namespace + "/" + subject.Name
			}
			who = append(who, name)
		}
	}
	slices.Sort(who)

	return slices.Compact(who)
}

// in reports whether a rule gives the grant.
func (g Grant) in(rule rbacv1.PolicyRule) bool {
	has := func(list []string, item string) bool {
		return slices.Contains(list, item) || slices.Contains(list, rbacv1.ResourceAll)
	}

	return has(rule.APIGroups, v1alpha1.GroupName) && has(rule.Resources, g.Resource) && has(rule.Verbs, g.Verb) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, g.Name))
}
