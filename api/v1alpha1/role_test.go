// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// applyRole creates an APIKeyRole with a spec.
func applyRole(ctx SpecContext, spec string) error {
	role := &unstructured.Unstructured{Object: map[string]any{"spec": parseYAML(spec)}}
	role.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKeyRole"))
	role.SetGenerateName("role-")
	_, err := untyped.Resource(v1alpha1.GroupVersion.WithResource("apikeyroles")).
		Create(ctx, role, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})

	return err
}

var _ = Describe("An APIKeyRole", func() {
	DescribeTable("is refused with", func(ctx SpecContext, spec, message string) {
		err := applyRole(ctx, spec)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(message)))
	},
		Entry("no permissions at all", "{}", "spec.permissions: Required value"),
		Entry("a list of none", "permissions: []", "spec.permissions in body should have at least 1 items"),
		Entry("65 permissions", "permissions: "+listOf(65), "Too many: 65: must have at most 64 items"),
		Entry("a permission twice", "permissions: [a, a]", repeated("permissions")),
		Entry("a permission of 65 characters", "permissions: ["+strings.Repeat("a", 65)+"]", "may not be more than 64 bytes"),
		Entry("an empty permission", `permissions: [""]`, "at least 1 chars long"),
		Entry("a wildcard", `permissions: ["customers:*"]`, permissionShape),
		Entry("capitals", "permissions: [Customers]", permissionShape),
	)
	DescribeTable("is accepted with", func(ctx SpecContext, spec string) {
		Expect(applyRole(ctx, spec)).To(Succeed())
	},
		Entry("one permission", "permissions: [customers:read]"),
		Entry("64 permissions", "permissions: "+listOf(64)),
	)
})
