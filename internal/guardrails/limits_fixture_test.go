// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// namespaceName is the label by which a policy selects one namespace.
const namespaceName = "kubernetes.io/metadata.name"

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

// marker is an APIKeyPolicy for a namespace of its own, which nothing else uses.
var marker struct {
	policy *v1alpha1.APIKeyPolicy
	change int
}

// awaitPolicies waits until the API server goes by every APIKeyPolicy as it is now: it gets the changes of all of them one
// after the other, so it has those before once it goes by one that is made now.
func awaitPolicies(ctx context.Context) {
	GinkgoHelper()
	if marker.policy == nil {
		marker.policy = &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "marker"}}
		marker.policy.Spec.NamespaceSelector = &v1alpha1.NamespaceSelector{
			MatchLabels: map[string]v1alpha1.LabelValue{namespaceName: v1alpha1.LabelValue(newNamespace(ctx))},
		}
		marker.policy.Spec.Roles = []v1alpha1.RoleName{"first"}
		Expect(admin.Create(ctx, marker.policy)).To(Succeed())
	}
	marker.change++
	change := fmt.Sprintf("change-%d", marker.change)
	marker.policy.Spec.Roles[0] = v1alpha1.RoleName(change)
	Expect(admin.Update(ctx, marker.policy)).To(Succeed())
	probe := newAPIKey(string(marker.policy.Spec.NamespaceSelector.MatchLabels[namespaceName]))
	probe.Spec.Roles = []v1alpha1.RoleName{"none"}
	Eventually(func() error { return admin.Create(ctx, probe.DeepCopy(), client.DryRunAll) }).
		WithTimeout(inForceTimeout).WithPolling(5 * time.Millisecond).Should(MatchError(ContainSubstring(`it allows "` + change + `".`)))
}
