// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The API server stops checking, and refuses, when the rules of one request cost too much.
var _ = Describe("An object that is as large as it may be", func() {
	It("can be created, reported on, changed and ended", func(ctx SpecContext) {
		keys := apiKeys(v1alpha1.GroupVersion)
		object := keys.object("{}")
		object.Object["spec"] = largestSpec("0")
		object, err := keys.Create(ctx, object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		Expect(err).NotTo(HaveOccurred())

		for _, phase := range []v1alpha1.Phase{v1alpha1.PhaseSuspended, v1alpha1.PhaseExpired} {
			object.Object["status"] = largestStatus(phase)
			object, err = keys.UpdateStatus(ctx, object, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
			Expect(err).NotTo(HaveOccurred(), "status, %s", phase)

			object.Object["spec"] = largestSpec(phase[:1])
			object, err = keys.Update(ctx, object, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
			Expect(err).NotTo(HaveOccurred(), "every field that can change, %s", phase)
		}

		var read v1alpha1.APIKey
		Expect(typed.Get(ctx, client.ObjectKey{Namespace: namespace, Name: object.GetName()}, &read)).To(Succeed())
		Expect(read.Status.Keys).To(HaveLen(v1alpha1.MaxKeys))
	})

	It("is as large as the schema says", func() {
		schema := schemaOf(loadCRD("apikeys"))
		spec, status := schema.Properties["spec"], schema.Properties["status"]
		expectLargest("spec", &spec, largestSpec("0"))
		expectLargest("status", &status, largestStatus(v1alpha1.PhaseActive))
	})
})

// largestSpec has every list full and every text as long as it may be, of characters of 4 bytes where they are allowed.
// All that can change differs for another mark, a character.
func largestSpec(mark v1alpha1.Phase) map[string]any {
	GinkgoHelper()
	lower := strings.ToLower(string(mark))
	labels, annotations := map[string]v1alpha1.LabelValue{}, map[string]v1alpha1.AnnotationValue{}
	for i := range 16 {
		name := fmt.Sprintf("%02d", i) + longestName()[2:]
		labels[name] = v1alpha1.LabelValue(strings.Repeat(lower, 63))
		annotations[name] = v1alpha1.AnnotationValue(lower + strings.Repeat("🔑", 1023))
	}
	fields := fieldsOf(&v1alpha1.APIKeySpec{
		DisplayName: lower + strings.Repeat("🔑", 99),
		Environment: v1alpha1.EnvironmentDevelopment,
		Permissions: numbered[v1alpha1.Permission](16, lower, 64),
		Roles:       numbered[v1alpha1.RoleName](8, lower, 63),
		Customers:   numbered[v1alpha1.Customer](32, lower, 63),
		Owner:       strings.Repeat("a", 253),
		RateLimit:   &v1alpha1.RateLimit{Requests: 1_000_000, Per: "000024h0000000m000000000s", Burst: 1_000_000},
		Rotation:    &v1alpha1.Rotation{Every: "999999h9999999m999999999s", Overlap: "000720h0000000m000000000s"},
		Suspend:     true,
		Revoked:     true,
		Secret: &v1alpha1.SecretTemplate{
			Name: strings.Repeat("a", 253), Key: strings.Repeat("a", 63), Delivery: v1alpha1.DeliveryOnce, ClaimBefore: "000720h0000000m000000000s",
			Labels: labels, Annotations: annotations,
		},
	})
	fields["expiresAt"] = "2027-11-21T00:00:00.123456789+01:00" // Go would write it in 20 characters

	return fields
}

// largestStatus has every list full and every text as long as it may be.
func largestStatus(phase v1alpha1.Phase) map[string]any {
	GinkgoHelper()
	now := metav1.Now()
	status := &v1alpha1.APIKeyStatus{
		ObservedGeneration: 1 << 52,
		Phase:              phase,
		SecretRef: &v1alpha1.SecretReference{
			Name:            strings.Repeat("a", 253),
			UID:             types.UID(strings.Repeat("a", 64)),
			ResourceVersion: strings.Repeat("1", 64),
		},
		ExpiresAt:    &now,
		WarnedBefore: "008760h0000000m000000000s",
		RateLimit:    &v1alpha1.RateLimit{Requests: 1_000_000, Per: "000024h0000000m000000000s", Burst: 1_000_000},
		LastRotation: &v1alpha1.LastRotation{
			Trigger: v1alpha1.TriggerSecretModified,
			Value:   strings.Repeat("🔑", 64),
			Name:    strings.Repeat("🔑", 64),
			At:      now,
		},
		LastUsedAt: &now,
		ClaimedAt:  &now,
	}
	for i := range v1alpha1.MaxKeys {
		status.Keys = append(status.Keys, v1alpha1.KeyRecord{
			ID: fmt.Sprintf("%012d", i), Digest: fmt.Sprintf("%043d", i), State: v1alpha1.KeyRetiring, CreatedAt: now, NotAfter: &now, ClaimDeadline: &now,
			Rotation: &v1alpha1.PendingRotation{Trigger: v1alpha1.TriggerSecretModified, Value: strings.Repeat("🔑", 64), Overlap: "000720h0000000m000000000s"},
		})
	}
	status.RotateValues = numbered[v1alpha1.RotateDigest](v1alpha1.MaxRotateValues, "a", 16)
	for i := range 16 {
		status.Conditions = append(status.Conditions, metav1.Condition{
			Type: fmt.Sprintf("%0316d", i), Status: metav1.ConditionUnknown, Reason: strings.Repeat("R", 1024),
			Message: strings.Repeat("m", 32768), LastTransitionTime: now, ObservedGeneration: 1 << 52,
		})
	}

	fields := fieldsOf(status)
	inFull(fields, now)

	return fields
}

// inFull is a value in which every occurrence of a time is as long as it may be. Go would write it in 20 characters.
func inFull(value any, at metav1.Time) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			v[name] = inFull(v[name], at)
		}
	case []any:
		for i := range v {
			v[i] = inFull(v[i], at)
		}
	case string:
		if v == at.UTC().Format(time.RFC3339) {
			return "2027-11-21T00:00:00.123456789+01:00"
		}
	}

	return value
}

// numbered is a list of n different texts of one length that begin with a mark.
func numbered[T ~string](n int, mark string, length int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = T(mark + fmt.Sprintf("%0*d", length-1, i))
	}

	return list
}

func fieldsOf(object any) map[string]any {
	GinkgoHelper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	Expect(err).NotTo(HaveOccurred())

	return fields
}

// expectLargest expects of a value that no limit of its schema leaves room for more.
func expectLargest(path string, schema *apiextensionsv1.JSONSchemaProps, value any) {
	GinkgoHelper()
	switch v := value.(type) {
	case map[string]any:
		if schema.AdditionalProperties != nil {
			Expect(v).To(HaveLen(int(*schema.MaxProperties)), path)
		}
		for name, property := range schema.Properties {
			if path+"."+name == "spec.validFor" {
				continue // not together with expiresAt
			}
			Expect(v).To(HaveKey(name), path)
			expectLargest(path+"."+name, &property, v[name])
		}
	case []any:
		Expect(v).To(HaveLen(int(*schema.MaxItems)), path)
		for _, element := range v {
			expectLargest(path+"[*]", schema.Items.Schema, element)
		}
	case string:
		if schema.MaxLength != nil {
			Expect(utf8.RuneCountInString(v)).To(BeEquivalentTo(*schema.MaxLength), path)
		}
	}
}
