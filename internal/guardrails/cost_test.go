// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// maxAnnotations is how many bytes all annotations of an object may have together.
const maxAnnotations = 256 << 10

// largestFromBefore are APIKeys with all annotations that the API server allows, in one or in many, from before there was a limit.
func largestFromBefore(namespace string) []*v1alpha1.APIKey {
	return []*v1alpha1.APIKey{
		newAPIKey(namespace, named("annotated-once"), func(apikey *v1alpha1.APIKey) {
			apikey.Annotations = map[string]string{"a": strings.Repeat("_prod_", maxAnnotations/6)[1:]}
		}),
		newAPIKey(namespace, named("annotated-often"), func(apikey *v1alpha1.APIKey) { apikey.Annotations = manyAnnotations(maxAnnotations) }),
	}
}

// manyAnnotations are a thousand that take so many bytes together.
func manyAnnotations(bytes int) map[string]string {
	many := map[string]string{}
	for i := range 1000 {
		name := fmt.Sprintf("%050d", i)
		many[name] = strings.Repeat("_prod_", bytes)[:bytes/1000-len(name)]
	}

	return many
}

// full has every list full of the longest texts. Those of another letter are others.
func full(letter string) func(*v1alpha1.APIKey) {
	longest := func(i, length int) string {
		return fmt.Sprintf("%02d", i) + strings.Repeat(letter, length-2)
	}

	return func(apikey *v1alpha1.APIKey) {
		spec := &apikey.Spec
		spec.Permissions, spec.Roles, spec.Customers = nil, nil, nil
		for i := range 16 {
			spec.Permissions = append(spec.Permissions, v1alpha1.Permission(longest(i, 64)))
		}
		for i := range 8 {
			spec.Roles = append(spec.Roles, v1alpha1.RoleName(longest(i, 63)))
		}
		for i := range 32 {
			spec.Customers = append(spec.Customers, v1alpha1.Customer(longest(i, 63)))
		}
		spec.Owner = strings.Repeat("o", 253)
	}
}

// The API server stops counting, and refuses, when the expressions of one binding cost too much.
// many are n different texts of one length that begin with a mark.
func many[T ~string](mark string, n, length int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = T(mark + fmt.Sprintf("%0*d", length-len(mark), i))
	}

	return list
}

// largestDomain is the longest prefix of a name of a label.
func largestDomain() string { return strings.Join(many[string]("d", 4, 63), ".")[:253] + "/" }

// largestTemplate has as many labels and annotations as there may be, with the longest names and values.
func largestTemplate(letter, value string) *v1alpha1.SecretTemplate {
	template := &v1alpha1.SecretTemplate{Labels: map[string]v1alpha1.LabelValue{}, Annotations: map[string]v1alpha1.AnnotationValue{}}
	for _, name := range many[string](largestDomain()+letter, 16, 317) {
		template.Labels[name] = v1alpha1.LabelValue(strings.Repeat(value, 63))
		template.Annotations[name] = v1alpha1.AnnotationValue(strings.Repeat(value, 1024))
	}

	return template
}

// largestRequest is a rotate annotation as long as it may be, with an overlap.
func largestRequest(letter string) string {
	const overlap = ",overlap=000720h0000000m000000000s"

	return strings.Repeat(letter, 1024-len(overlap)) + overlap
}

var _ = Describe("The costs of the guardrails", func() {
	const everybody = "everything@example.com" // may do everything, which the authorizer is asked for 26 times

	It("stay below the limit for the largest APIKey, when everything in it is asked for", func(ctx SpecContext) {
		user := asMaster(everybody)
		apikey := newAPIKey(newNamespace(ctx), full("a"))
		apikey.Spec.Suspend = true
		apikey.Spec.ValidFor = "000001h0000000m000000000s"
		apikey.Spec.Rotation = &v1alpha1.Rotation{Every: "000002h0000000m000000000s", Overlap: "000000h0000000m000000001s"}
		apikey.Spec.Secret = largestTemplate("l", "a")
		annotated(largestRequest("q"))(apikey)
		Expect(user.Create(ctx, apikey)).To(Succeed())
		apikey.Status = fullStatus()
		Expect(asMaster(operatorUser).Status().Update(ctx, apikey)).To(Succeed())

		full("b")(apikey)
		apikey.Spec.Suspend = false
		apikey.Spec.ValidFor = ""
		expiring("2899-12-31T23:59:59Z")(apikey)
		apikey.Spec.Rotation.Every = "000001h0000000m000000000s"
		apikey.Spec.Rotation.Overlap = "000000h0000059m000000059s"
		apikey.Spec.Secret = largestTemplate("l", "b")
		apikey.Annotations = manyAnnotations(mostBytes - 2048)
		delete(apikey.Annotations, fmt.Sprintf("%050d", 0))
		apikey.Annotations[v1alpha1.RotateAnnotation] = largestRequest("r")
		Expect(user.Update(ctx, apikey)).To(Succeed())
	})

	It("stay below the limit for the largest APIKey, when all of it is refused to a user with a long name", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		name := strings.Repeat("n", 253)
		allow(ctx, name, namespace, mayEdit)
		apikey := newAPIKey(namespace, full("a"))
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		Expect(refusalOf(as(name).Create(ctx, newAPIKey(namespace, full("a"))))).To(HavePrefix(name + " may not put permission"))
		full("b")(apikey)
		Expect(refusalOf(as(name).Update(ctx, apikey))).To(HavePrefix(name + " may not put permission"))
	})

	It("stay below the limit for all annotations that an APIKey may have, in one or in many, and take a short time", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		for what, values := range map[string]map[string]string{
			"one": {"a": strings.Repeat("_prod_", mostBytes/6)[1:]}, "many": manyAnnotations(mostBytes),
		} {
			apikey := newAPIKey(namespace)
			apikey.Annotations = values
			Expect(admin.Create(ctx, apikey)).To(Succeed(), what)
			apikey.Annotations = map[string]string{"a": "b"}
			Expect(admin.Update(ctx, apikey)).To(Succeed(), what)
			apikey.Annotations = values
			started := time.Now()
			Expect(admin.Update(ctx, apikey)).To(Succeed(), what)
			AddReportEntry(fmt.Sprintf("%s: %s", what, time.Since(started)))
			Expect(time.Since(started)).To(BeNumerically("<", 5*time.Second), what)
		}
	})

	It("stay below the limit for an APIKey that had as many annotations as the API server allows", func(ctx SpecContext) {
		for _, before := range largestFromBefore(upgraded.namespace) {
			apikey := readBack(ctx, before)
			apikey.Annotations["b"] = ""
			Expect(refusalOf(admin.Update(ctx, apikey.DeepCopy()))).To(Or(ContainSubstring("1000 labels"), ContainSubstring("65536 bytes")))
			apikey.Annotations = map[string]string{}
			Expect(admin.Update(ctx, apikey)).To(Succeed())
		}
	})

	It("stay below the limit for the largest Secrets, of an APIKey and of others", func(ctx SpecContext) {
		apikey := newAPIKey(newNamespace(ctx))
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		for _, kind := range []corev1.SecretType{v1alpha1.SecretType, corev1.SecretTypeOpaque} {
			writer, owners := asMaster(operatorUser), []metav1.OwnerReference{controllerRef(apikey)}
			if kind != v1alpha1.SecretType {
				writer, owners = admin, nil
			}
			secret := secretOf(apikey.Namespace, "large", kind, owners...)
			secret.Data["a"] = make([]byte, 1<<20-1024)
			Expect(writer.Create(ctx, secret)).To(Succeed())
			secret.Finalizers = nil
			Expect(admin.Update(ctx, secret)).To(Succeed(), "%s", kind)
			secret.Data["a"][0]++
			Expect(writer.Update(ctx, secret)).To(Succeed(), "%s", kind)
			Expect(admin.Delete(ctx, secret)).To(Succeed())
		}
	})

	It("stay below the limit for Secrets with as many owner references as fit, and take a short time", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		many := secretOf(namespace, "many", v1alpha1.SecretType, strangers(10_000)...)
		started := time.Now()
		Expect(refusalOf(admin.Create(ctx, many.DeepCopy()))).To(ContainSubstring("may not create or change"))
		Expect(time.Since(started)).To(BeNumerically("<", 5*time.Second))

		few := secretOf(namespace, "few", v1alpha1.SecretType, strangers(64)...)
		Expect(admin.Create(ctx, few)).To(Succeed())
		few.OwnerReferences = few.OwnerReferences[1:]
		Expect(asMaster(garbageCollectorUser).Update(ctx, few)).To(Succeed())
	})
})
