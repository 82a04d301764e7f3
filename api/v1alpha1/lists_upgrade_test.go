// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// withSets turns the lists of values in spec into what they were before: sets, or in the oldest schema nothing.
func withSets(crd *apiextensionsv1.CustomResourceDefinition, listType *string) {
	walk(schemaOf(crd), "", func(path string, s *apiextensionsv1.JSONSchemaProps) {
		if strings.HasPrefix(path, "spec.") && isScalarList(s) {
			s.XListType, s.XValidations = listType, nil
		}
	})
}

var _ = Describe("An upgrade from lists that merged", func() {
	for name, listType := range testkit.Sorted(map[string]*string{"sets": new("set"), "lists of no type": nil}) {
		It("keeps every object writable, and lets Git take away what is in it: "+name, func(ctx SpecContext) {
			for _, k := range gitKinds() {
				group := strings.ReplaceAll(name, " ", "-") + ".lists.example.com"
				crd := inGroup(group, k.plural)
				upgraded := crd.Spec.DeepCopy()
				withSets(crd, listType)
				install(ctx, crd)
				r := k.resource(schema.GroupVersion{Group: group, Version: v1alpha1.GroupVersion.Version})

				twice := r.named("twice", "permissions: [a, a, b]")
				if listType == nil {
					twice.SetFinalizers([]string{"example.com/archive"})
					_, err := r.Create(ctx, twice, metav1.CreateOptions{FieldManager: creator})
					Expect(err).NotTo(HaveOccurred())
				}
				merged := r.named("merged", "permissions: [a, b]")
				_, err := r.Create(ctx, merged.DeepCopy(), metav1.CreateOptions{FieldManager: creator})
				Expect(err).NotTo(HaveOccurred())
				Expect(r.apply(ctx, merged, false)).To(Succeed())

				Expect(extensions.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
				crd.Spec = *upgraded
				Expect(extensions.Update(ctx, crd)).To(Succeed())
				Eventually(func() error { return r.tryCreate(ctx, "permissions: [a, a]") }).
					WithTimeout(establishTimeout).WithPolling(20 * time.Millisecond).Should(MatchError(ContainSubstring(repeated("permissions"))))

				narrow := r.named("merged", "permissions: [b]")
				Expect(apierrors.IsConflict(r.apply(ctx, narrow, false))).To(BeTrue(), k.plural)
				Expect(r.apply(ctx, narrow, true)).To(Succeed(), k.plural)
				stored, err := r.Get(ctx, "merged", metav1.GetOptions{})
				Expect(err).NotTo(HaveOccurred())
				Expect(stored.Object["spec"]).To(Equal(narrow.Object["spec"]), k.plural)

				if listType != nil {
					continue
				}
				stored, err = r.Get(ctx, "twice", metav1.GetOptions{})
				Expect(err).NotTo(HaveOccurred())
				if k.plural == "apikeys" {
					stored = r.writeStatus(ctx, stored, "{phase: Active, observedGeneration: 1}")
					Expect(r.tryUpdate(ctx, stored, "{permissions: [a, a, b], displayName: Renamed}")).To(Succeed())
				}
				Expect(r.tryUpdate(ctx, stored, "permissions: [b, b]")).To(MatchError(ContainSubstring(repeated("permissions"))))
				Expect(r.tryUpdate(ctx, stored, "permissions: [a]")).To(Succeed())
				stored.SetFinalizers(nil)
				_, err = r.Update(ctx, stored, metav1.UpdateOptions{})
				Expect(err).NotTo(HaveOccurred(), "finalizers, %s", k.plural)
			}
		})
	}
})
