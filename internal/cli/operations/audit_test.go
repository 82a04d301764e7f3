// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// auditTime returns the time of the audits.
func auditTime() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

// before returns the time that many days before the audit.
func before(days int) *metav1.Time {
	return &metav1.Time{Time: auditTime().AddDate(0, 0, -days)}
}

// audited returns an APIKey that no rule reports, with changes.
func audited(changes ...func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", CreationTimestamp: *before(200)},
		Spec: v1alpha1.APIKeySpec{
			Environment: v1alpha1.EnvironmentProduction, Owner: "jane@example.com",
			Permissions: []v1alpha1.Permission{"customers:read"}, Customers: []v1alpha1.Customer{"acme"},
		},
		Status: v1alpha1.APIKeyStatus{Phase: v1alpha1.PhaseActive, ExpiresAt: before(-100), LastUsedAt: before(1)},
	}
	for _, change := range changes {
		change(key)
	}

	return key
}

// TestAudit reports each rule alone, on the border of its threshold and beyond it.
func TestAudit(t *testing.T) {
	around := operations.Surroundings{
		Roles:  map[v1alpha1.RoleName][]v1alpha1.Permission{"reader": {"customers:read", "orders:read", "invoices:read"}},
		Labels: map[string]map[string]string{"shop": {"tier": "gold"}, "lab": {"tier": "none"}},
		Policies: []*v1alpha1.APIKeyPolicy{{
			ObjectMeta: metav1.ObjectMeta{Name: "gold"},
			Spec: v1alpha1.APIKeyPolicySpec{
				NamespaceSelector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"tier": "gold"}},
				Environments:      []v1alpha1.Environment{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging},
			},
		}},
	}
	limits := operations.Thresholds{Unused: 90 * 24 * time.Hour, Expiring: 30 * 24 * time.Hour, Permissions: 3}
	for name, test := range map[string]struct {
		change func(*v1alpha1.APIKey)
		want   []operations.Rule
	}{
		"nothing":            {func(*v1alpha1.APIKey) {}, nil},
		"used yesterday":     {func(k *v1alpha1.APIKey) { k.Status.LastUsedAt = before(1) }, nil},
		"unused for 89 days": {func(k *v1alpha1.APIKey) { k.Status.LastUsedAt = before(89) }, nil},
		"unused for 90 days": {func(k *v1alpha1.APIKey) { k.Status.LastUsedAt = before(90) }, []operations.Rule{operations.RuleUnused}},
		"never used":         {func(k *v1alpha1.APIKey) { k.Status.LastUsedAt = nil }, []operations.Rule{operations.RuleNeverUsed}},
		"new and never used": {func(k *v1alpha1.APIKey) { k.Status.LastUsedAt, k.CreationTimestamp = nil, *before(1) }, nil},
		"ends in 31 days":    {func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = before(-31) }, nil},
		"ends in 30 days":    {func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = before(-30) }, []operations.Rule{operations.RuleExpiring}},
		"never ends":         {func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = nil }, []operations.Rule{operations.RuleNoExpiry}},
		"no owner":           {func(k *v1alpha1.APIKey) { k.Spec.Owner = "" }, []operations.Rule{operations.RuleNoOwner}},
		"every customer":     {func(k *v1alpha1.APIKey) { k.Spec.Customers = nil }, []operations.Rule{operations.RuleBroad}},
		"every customer of Staging": {func(k *v1alpha1.APIKey) {
			k.Spec.Customers, k.Spec.Environment = nil, v1alpha1.EnvironmentStaging
		}, nil},
		"every customer, and no permission":    {func(k *v1alpha1.APIKey) { k.Spec.Customers, k.Spec.Permissions = nil, nil }, nil},
		"the permissions of a role, one twice": {func(k *v1alpha1.APIKey) { k.Spec.Roles = []v1alpha1.RoleName{"reader"} }, nil},
		"a permission more than allowed": {func(k *v1alpha1.APIKey) {
			k.Spec.Roles, k.Spec.Permissions = []v1alpha1.RoleName{"reader"}, []v1alpha1.Permission{"telemetry:write"}
		}, []operations.Rule{operations.RuleBroad}},
		"an environment that the policy excludes": {func(k *v1alpha1.APIKey) {
			k.Spec.Environment = v1alpha1.EnvironmentDevelopment
		}, []operations.Rule{operations.RulePolicy}},
		"the same where the policy does not apply": {func(k *v1alpha1.APIKey) {
			k.Spec.Environment, k.Namespace = v1alpha1.EnvironmentDevelopment, "lab"
		}, nil},
		"revoked": {func(k *v1alpha1.APIKey) { k.Spec.Owner, k.Status.Phase = "", v1alpha1.PhaseRevoked }, nil},
		"expired": {func(k *v1alpha1.APIKey) { k.Spec.Owner, k.Status.Phase = "", v1alpha1.PhaseExpired }, nil},
		"expired, which the operator has not reported": {func(k *v1alpha1.APIKey) { k.Spec.Owner, k.Status.ExpiresAt = "", before(1) }, nil},
		"suspended": {func(k *v1alpha1.APIKey) { k.Spec.Owner, k.Status.Phase = "", v1alpha1.PhaseSuspended }, []operations.Rule{operations.RuleNoOwner}},
		"all at once": {func(k *v1alpha1.APIKey) {
			k.Spec.Owner, k.Spec.Environment, k.Spec.Roles = "", v1alpha1.EnvironmentDevelopment, []v1alpha1.RoleName{"reader"}
			k.Spec.Permissions, k.Status.ExpiresAt, k.Status.LastUsedAt = []v1alpha1.Permission{"telemetry:write"}, nil, before(365)
		}, []operations.Rule{operations.RulePolicy, operations.RuleBroad, operations.RuleNoExpiry, operations.RuleNoOwner, operations.RuleUnused}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []operations.Rule
			for _, finding := range operations.Audit(audited(test.change), around, limits, auditTime()) {
				got = append(got, finding.Rule)
				if finding.Message == "" || finding.Name != "web" {
					t.Errorf("%+v", finding)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAuditKnowsEveryRule: each rule that is listed is one that some APIKey breaks, in the order of the list.
func TestAuditKnowsEveryRule(t *testing.T) {
	var listed []operations.Rule
	for _, rule := range operations.Rules() {
		listed = append(listed, rule.Rule)
	}
	want := []operations.Rule{
		operations.RulePolicy, operations.RuleBroad, operations.RuleNoExpiry, operations.RuleNoOwner,
		operations.RuleExpiring, operations.RuleUnused, operations.RuleNeverUsed,
	}
	if !slices.Equal(listed, want) {
		t.Errorf("listed are %v; add a case for each rule to TestAudit", listed)
	}
}
