// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// fromYAML reads a spec.
func fromYAML[T any](text string) T {
	GinkgoHelper()
	var spec T
	Expect(yaml.UnmarshalStrict([]byte(text), &spec)).To(Succeed(), "in a case: %s", text)

	return spec
}

// change is a spec in YAML with other fields in place of its own; null takes one away.
func change(spec, fields string) string {
	GinkgoHelper()
	merged := fromYAML[map[string]any](spec)
	for name, value := range fromYAML[map[string]any](fields) {
		merged[name] = value
		if value == nil {
			delete(merged, name)
		}
	}
	data, err := yaml.Marshal(merged)
	Expect(err).NotTo(HaveOccurred())

	return string(data)
}

// stored waits for the APIKeyPolicies of the control plane.
var stored testkit.Policies

// awaitPolicies waits until the API server applies every APIKeyPolicy as it is now.
func awaitPolicies(ctx context.Context) {
	GinkgoHelper()
	limited, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	Expect(stored.Await(limited, admin)).To(Succeed())
}
