// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// Rule names what an audit looks for.
type Rule string

// The rules.
const (
	// RuleUnused finds keys that were used once and not since.
	RuleUnused Rule = "unused"
	// RuleNeverUsed finds keys that were made a while ago and never used.
	RuleNeverUsed Rule = "never-used"
	// RuleExpiring finds keys that end soon.
	RuleExpiring Rule = "expiring"
	// RuleNoExpiry finds keys that never end.
	RuleNoExpiry Rule = "no-expiry"
	// RuleNoOwner finds keys that name no owner.
	RuleNoOwner Rule = "no-owner"
	// RuleBroad finds keys with many permissions, and Production keys for every customer.
	RuleBroad Rule = "over-broad"
	// RulePolicy finds keys that an APIKeyPolicy would refuse today.
	RulePolicy Rule = "policy-violation"
)

// Rules returns every rule with a sentence about it, in the order of reports.
func Rules() []struct {
	Rule Rule
	Text string
} {
	return []struct {
		Rule Rule
		Text string
	}{
		{RulePolicy, "The key does not meet an APIKeyPolicy."},
		{RuleBroad, "The key may do more than most need."},
		{RuleNoExpiry, "The key never ends by itself."},
		{RuleNoOwner, "The key names no owner."},
		{RuleExpiring, "The key ends soon."},
		{RuleUnused, "The key has not been used for a long time."},
		{RuleNeverUsed, "The key was never used."},
	}
}

// Thresholds say from when on an audit reports.
type Thresholds struct {
	// Unused is how long a key must not have been used; Expiring is how soon it must end.
	Unused, Expiring time.Duration
	// Permissions is how many permissions a key may have, with those of its roles.
	Permissions int
}

// Finding is what an audit reports about one APIKey.
type Finding struct {
	Rule      Rule   `json:"rule"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Message   string `json:"message"`
}

// Surroundings are what the judgement of an APIKey depends on besides itself.
type Surroundings struct {
	Roles    map[v1alpha1.RoleName][]v1alpha1.Permission
	Policies []*v1alpha1.APIKeyPolicy
	// Labels are those of the namespaces.
	Labels map[string]map[string]string
	// Unread are kinds that the user may not read: what depends on them is not judged.
	Unread []string
	// MissingRules are the RBAC rules that would let the user read them.
	MissingRules []string
}

// leaveOut notes that a kind cannot be read, and the rule that is missing.
func (a *Surroundings) leaveOut(kind string, err error) {
	a.Unread = append(a.Unread, kind)
	if forbidden, ok := errors.AsType[*ForbiddenError](WithMissingRule(err)); ok {
		a.MissingRules = append(a.MissingRules, forbidden.Rule())
	}
}

// Surroundings reads roles, policies and namespaces, as far as the user may.
func (s Service) Surroundings(ctx context.Context) Surroundings {
	around := Surroundings{Roles: map[v1alpha1.RoleName][]v1alpha1.Permission{}, Labels: map[string]map[string]string{}}
	roles, err := s.roles(ctx)
	if err != nil {
		around.leaveOut("APIKeyRole", err)
	}
	for i := range roles {
		around.Roles[v1alpha1.RoleName(roles[i].Name)] = roles[i].Spec.Permissions
	}
	var policies v1alpha1.APIKeyPolicyList
	if err := s.Client.List(ctx, &policies); err != nil {
		around.leaveOut("APIKeyPolicy", err)
	}
	for i := range policies.Items {
		around.Policies = append(around.Policies, &policies.Items[i])
	}
	var namespaces metav1.PartialObjectMetadataList
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := s.Client.List(ctx, &namespaces, &client.ListOptions{}); err != nil {
		around.leaveOut("Namespace", err)
	}
	for i := range namespaces.Items {
		around.Labels[namespaces.Items[i].Name] = namespaces.Items[i].Labels
	}

	return around
}

// PoliciesFor returns the policies that select the namespace of an APIKey.
func (a Surroundings) PoliciesFor(key *v1alpha1.APIKey) []*v1alpha1.APIKeyPolicy {
	var selected []*v1alpha1.APIKeyPolicy
	for _, p := range a.Policies {
		if policy.Selects(p, a.Labels[key.Namespace]) {
			selected = append(selected, p)
		}
	}

	return selected
}

// Audit returns the findings about one APIKey. An ended key has none.
func Audit(key *v1alpha1.APIKey, around Surroundings, limits Thresholds, now time.Time) []Finding {
	view := ViewOf(key, now)
	if view.Ended() {
		return nil
	}
	var findings []Finding
	report := func(rule Rule, format string, args ...any) {
		findings = append(findings, Finding{Rule: rule, Namespace: key.Namespace, Name: key.Name, Message: fmt.Sprintf(format, args...)})
	}
	for _, violation := range policy.TermsOf(key, around.PoliciesFor(key)).Violations(now) {
		report(RulePolicy, "%s", violation)
	}
	if all := allPermissions(key, around.Roles); len(all) > limits.Permissions {
		report(RuleBroad, "It has %d permissions, more than %d.", len(all), limits.Permissions)
	}
	if key.Spec.Environment == v1alpha1.EnvironmentProduction && len(key.Spec.Customers) == 0 && len(allPermissions(key, around.Roles)) > 0 {
		report(RuleBroad, "It is for Production and names no customers, so it opens the data of every customer.")
	}
	if view.Expires == nil {
		report(RuleNoExpiry, "It never ends: set spec.expiresAt or spec.validFor.")
	} else if view.Expires.Sub(now) <= limits.Expiring {
		report(RuleExpiring, "It ends at %s, and cannot be renewed after that.", view.Expires.UTC().Format(time.RFC3339))
	}
	if key.Spec.Owner == "" {
		report(RuleNoOwner, "It names no owner. An owner is set when an APIKey is created.")
	}
	if view.Idle(now) >= limits.Unused {
		if view.LastUsed == nil {
			report(RuleNeverUsed, "It was made at %s and never used.", view.Created.UTC().Format(time.RFC3339))
		} else {
			report(RuleUnused, "It was last used at %s.", view.LastUsed.UTC().Format(time.RFC3339))
		}
	}

	return findings
}

// allPermissions returns what a key may do, by itself and through its roles, each once.
func allPermissions(key *v1alpha1.APIKey, roles map[v1alpha1.RoleName][]v1alpha1.Permission) []v1alpha1.Permission {
	all := slices.Clone(key.Spec.Permissions)
	for _, role := range key.Spec.Roles {
		all = append(all, roles[role]...)
	}
	slices.Sort(all)

	return slices.Compact(all)
}
