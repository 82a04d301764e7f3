// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// admission is one request that the API server must accept, so that no rule catches more than it should.
type admission struct {
	// name describes the case.
	name string
	// before is the spec of the object that is changed. Not set: the request creates the object.
	before string
	// phase is status.phase before the change.
	phase v1alpha1.Phase
	// spec is accepted, and can be read back by a Go client.
	spec string
}

// admissions are all cases of this package.
func admissions() []admission {
	return slices.Concat(
		nameAdmissions(), permissionAdmissions(), durationAdmissions(), timeAdmissions(), limitAdmissions(),
		secretAdmissions(), keyShapeAdmissions(), changeAdmissions(), finalAdmissions())
}

var _ = Describe("A request within the rules", func() {
	for _, a := range admissions() {
		It("is accepted: "+a.name+" of "+a.spec, func(ctx SpecContext) {
			keys := apiKeys(v1alpha1.GroupVersion)
			if a.before == "" {
				a.before = a.spec
			}
			object := keys.create(ctx, a.before)
			if a.phase != "" {
				object = keys.writeStatus(ctx, object, "phase: "+string(a.phase))
			}
			object.Object["spec"] = parse(a.spec)
			_, err := keys.Update(ctx, object, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
			Expect(err).NotTo(HaveOccurred())

			var read v1alpha1.APIKey
			Expect(typed.Get(ctx, client.ObjectKey{Namespace: namespace, Name: object.GetName()}, &read)).To(Succeed())
			read.Labels = map[string]string{"touched": "yes"}
			Expect(typed.Update(ctx, &read)).To(Succeed(), "what Go has read must be accepted when it is written back")
		})
	}
})
