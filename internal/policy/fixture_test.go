// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
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

// declared is a new APIKey with a spec in YAML, in Production where it does not say otherwise.
func declared(namespace, spec string) *v1alpha1.APIKey {
	GinkgoHelper()
	apikey := newAPIKey(namespace)
	apikey.Spec = fromYAML[v1alpha1.APIKeySpec](spec)
	if apikey.Spec.Environment == "" {
		apikey.Spec.Environment = v1alpha1.EnvironmentProduction
	}

	return apikey
}

// limited puts an APIKeyPolicy in force for one namespace, beside what its selector says, and takes it away after the spec.
func limited(ctx SpecContext, namespace, spec string) *v1alpha1.APIKeyPolicy {
	GinkgoHelper()
	policy := makePolicy(ctx, namespace, fromYAML[v1alpha1.APIKeyPolicySpec](spec))
	awaitPolicies(ctx)

	return policy
}

// makePolicy makes an APIKeyPolicy for one namespace.
func makePolicy(ctx SpecContext, namespace string, spec v1alpha1.APIKeyPolicySpec) *v1alpha1.APIKeyPolicy {
	GinkgoHelper()
	policy := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{GenerateName: "limits-"}, Spec: spec}
	if policy.Spec.NamespaceSelector == nil {
		policy.Spec.NamespaceSelector = &v1alpha1.NamespaceSelector{}
	}
	here := v1alpha1.NamespaceRequirement{
		Key:      namespaceName,
		Operator: v1alpha1.NamespaceLabelIn,
		Values:   []v1alpha1.LabelValue{v1alpha1.LabelValue(namespace)},
	}
	policy.Spec.NamespaceSelector.MatchExpressions = append(policy.Spec.NamespaceSelector.MatchExpressions, here)
	Expect(admin.Create(ctx, policy)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, policy))).To(Succeed()) })

	return policy
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

// answer is what the guardrail limits says to who is refused; empty: the request is accepted.
func answer(err error) string {
	GinkgoHelper()
	if err == nil {
		return ""
	}
	Expect(err).To(MatchError(apierrors.IsForbidden, "forbidden"))
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue())
	before, after, found := strings.Cut(status.Status().Message, " denied request: ")
	Expect(found).To(BeTrue(), "%v", err)
	Expect(before).To(ContainSubstring("limits' with binding"), "%v", err)

	return after
}

// about is a sentence on a policy; empty where the sentence is.
func about(policy *v1alpha1.APIKeyPolicy, sentence string) string {
	if sentence == "" {
		return ""
	}

	return fmt.Sprintf("APIKeyPolicy %q %s", policy.Name, sentence)
}

// annotated returns a change of the rotate annotation.
func annotated(value string) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		apikey.Annotations = map[string]string{v1alpha1.RotateAnnotation: value}
	}
}
