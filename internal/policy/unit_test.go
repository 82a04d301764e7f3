// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// The time of unit tests, and when APIKeys were created in them.
var (
	now     = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	created = now.Add(-24 * time.Hour)
)

func at(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }

// decoded returns a value from YAML.
func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := yaml.UnmarshalStrict([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return value
}

// policies returns APIKeyPolicies with specs in YAML, named a, b, c…
func policies(t *testing.T, specs ...string) []*v1alpha1.APIKeyPolicy {
	t.Helper()
	all := make([]*v1alpha1.APIKeyPolicy, len(specs))
	for i, spec := range specs {
		all[i] = &v1alpha1.APIKeyPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}, Spec: decoded[v1alpha1.APIKeyPolicySpec](t, spec),
		}
	}

	return all
}

// fresh returns an APIKey without a key that was created a day ago, with a spec in YAML, for Production unless that says otherwise.
func fresh(t *testing.T, spec string) *v1alpha1.APIKey {
	t.Helper()
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "storefront", Name: "main-website", Generation: 1, CreationTimestamp: *at(created)},
		Spec:       decoded[v1alpha1.APIKeySpec](t, spec),
		Status:     v1alpha1.APIKeyStatus{ObservedGeneration: -1},
	}
	if apikey.Spec.Environment == "" {
		apikey.Spec.Environment = v1alpha1.EnvironmentProduction
	}

	return apikey
}

// living returns an APIKey whose key was handed out when it was created.
func living(t *testing.T, spec string) *v1alpha1.APIKey {
	t.Helper()
	apikey := fresh(t, spec)
	apikey.Status = v1alpha1.APIKeyStatus{
		ObservedGeneration: 1,
		Keys:               []v1alpha1.KeyRecord{{ID: "active", Digest: "active", State: v1alpha1.KeyActive, CreatedAt: *at(created)}},
		LastRotation:       &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: *at(created)},
	}

	return apikey
}

// terms returns the terms of an APIKey under policies with specs in YAML.
func terms(t *testing.T, apikey *v1alpha1.APIKey, specs ...string) policy.Terms {
	t.Helper()

	return policy.TermsOf(apikey, policies(t, specs...))
}
