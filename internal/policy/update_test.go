// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// tightened is a policy that excludes outside in every respect, and suspended too.
const (
	tightened = `{environments: [Staging], permissions: [a], roles: [a], expiry: {required: true, maximum: 24h},
		rateLimit: {maximum: {requests: 10, per: 1m, burst: 5}}, rotation: {required: true, maximumAge: 1h, maximumOverlap: 0s},
		customers: {allowed: [acme]}, secret: {labelPrefixes: ["none.invalid/"], annotationPrefixes: ["none.invalid/"]}}`
	outside   = "{" + exceeding + "}"
	suspended = "{" + exceeding + ", suspend: true}"
	exceeding = "permissions: [b, c], roles: [b, c], validFor: 480h, rateLimit: {requests: 100, per: 1m, burst: 100}, rotation: {every: 240h, overlap: 2h}, " +
		"customers: [globex, initech], secret: {labels: {a: x, b: x}, annotations: {a: x, b: x}}"
)

// changeCase is a change of an APIKey that was there before the policy.
type changeCase struct {
	// name says what is tried.
	name string
	// policy and before are what the policy demands and the spec that was there.
	policy, before string
	// fields are what the spec has then in place of its own; null takes one away.
	fields string
	// answer is what follows the name of the policy; empty: the change is accepted.
	answer string
}

// changeCases are about what a change asks for.
func changeCases() []changeCase {
	const rate, twenty = "rateLimit: {maximum: {requests: 10, per: 1m, burst: 10}}", "rateLimit: {requests: 20, per: 1m, burst: 20}"

	return []changeCase{
		{"renamed", tightened, outside, "displayName: a", ""},
		{"suspended", tightened, outside, "suspend: true", ""},
		{"resumed", tightened, suspended, "suspend: false", ""},
		{"revoked", tightened, outside, "revoked: true", ""},
		{"given other customers, which are allowed", tightened, outside, "customers: [acme]", ""},
		{"given fewer permissions", tightened, outside, "permissions: [b]", ""},
		{"given no permissions", tightened, outside, "permissions: null", ""},
		{"given fewer roles", tightened, outside, "roles: [c]", ""},
		{"given a permission that is allowed", tightened, outside, "permissions: [a, b, c]", ""},
		{"shortened, not enough", tightened, outside, "validFor: 479h", ""},
		{"shortened by a time, not enough", tightened, outside, "{validFor: null, expiresAt: " + inHours(400) + "}", ""},
		{"shortened from a time, not enough", tightened, "expiresAt: " + inHours(480), "expiresAt: " + inHours(400), ""},
		{"renamed while it ends at a time", tightened, "expiresAt: " + inHours(480), "displayName: a", ""},
		{"given the same end in other words", tightened, outside, "validFor: 479h60m", ""},
		{"limited, not enough", tightened, outside, "rateLimit: {requests: 99, per: 1m, burst: 99}", ""},
		{"given a lower rate and the same burst", tightened, outside, "rateLimit: {requests: 1, per: 1m, burst: 100}", ""},
		{"rotated more often, not enough", tightened, outside, "rotation: {every: 200h, overlap: 2h}", ""},
		{"given a shorter overlap, not enough", tightened, outside, "rotation: {every: 240h, overlap: 1h}", ""},
		{"given the same overlap in other words", tightened, outside, "rotation: {every: 240h, overlap: 120m}", ""},
		{"given fewer customers, not enough", tightened, outside, "customers: [initech]", ""},
		{"given fewer labels on its Secret, not enough", tightened, outside, "secret: {labels: {b: x}, annotations: {a: x}}", ""},
		{"renamed while it says nothing", tightened, "{}", "displayName: a", ""},

		{
			"given a permission that is not allowed",
			"permissions: [a]",
			"permissions: [a, b]",
			"permissions: [a, b, c]",
			`does not allow permissions "c": it allows "a".`,
		},
		{
			"given another permission in place of one",
			"permissions: [a]",
			"permissions: [b]",
			"permissions: [c]",
			`does not allow permissions "c": it allows "a".`,
		},
		{"given its first permissions", "permissions: [a]", "{}", "permissions: [b, c]", `does not allow permissions "b", "c": it allows "a".`},
		{"given a role that is not allowed", "roles: [a]", "roles: [b]", "roles: [b, c]", `does not allow roles "c": it allows "a".`},

		{
			"given a later end",
			"expiry: {maximum: 24h}",
			"validFor: 48h",
			"validFor: 49h",
			"lets a key live at most 24h from its creation: spec.validFor is 49h.",
		},
		{"given a later end within the maximum", "expiry: {maximum: 24h}", "validFor: 1h", "validFor: 24h", ""},
		{
			"given a later end than the maximum",
			"expiry: {maximum: 24h}",
			"validFor: 1h",
			"validFor: 25h",
			"lets a key live at most 24h from its creation: spec.validFor is 25h.",
		},
		{
			"given a late end where there was none",
			"expiry: {maximum: 24h}",
			"{}",
			"validFor: 48h",
			"lets a key live at most 24h from its creation: spec.validFor is 48h.",
		},
		{"given an end where there was none", "expiry: {maximum: 24h}", "{}", "validFor: 24h", ""},
		{"left without an end where a maximum is", "expiry: {maximum: 24h}", "validFor: 1h", "validFor: null", ""},
		{
			"left without an end where one is required",
			"expiry: {required: true}",
			"validFor: 1h",
			"validFor: null",
			"demands an expiry: set spec.expiresAt or spec.validFor.",
		},
		{
			"left without a time where one is required",
			"expiry: {required: true}",
			`expiresAt: "2900-01-01T00:00:00Z"`,
			"expiresAt: null",
			"demands an expiry: set spec.expiresAt or spec.validFor.",
		},
		{"left without an end where there is a default", "expiry: {required: true, default: 1h}", "validFor: 1h", "validFor: null", ""},
		{"given a time in place of a length", "expiry: {required: true}", "validFor: 1h", `{validFor: null, expiresAt: "2900-01-01T00:00:00Z"}`, ""},

		{
			"given a higher rate",
			rate,
			twenty,
			"rateLimit: {requests: 21, per: 1m, burst: 20}",
			"allows at most 10 requests per 1m: spec.rateLimit has 21 per 1m.",
		},
		{
			"given a shorter period",
			rate,
			twenty,
			"rateLimit: {requests: 20, per: 59s, burst: 20}",
			"allows at most 10 requests per 1m: spec.rateLimit has 20 per 59s.",
		},
		{"given the same rate in other words", rate, twenty, "rateLimit: {requests: 40, per: 2m, burst: 20}", ""},
		{
			"given a rate where there was none",
			rate,
			"{}",
			"rateLimit: {requests: 11, per: 1m, burst: 10}",
			"allows at most 10 requests per 1m: spec.rateLimit has 11 per 1m.",
		},
		{"left without a limit", rate, twenty, "rateLimit: null", ""},
		{"given a larger burst", rate, twenty, "rateLimit: {requests: 20, per: 1m, burst: 21}", "allows a burst of at most 10: spec.rateLimit has one of 21."},
		{"given a larger burst by not saying", rate, "rateLimit: {requests: 20, per: 1m, burst: 5}", "rateLimit: {requests: 20, per: 1m}",
			"allows a burst of at most 10: spec.rateLimit has one of 20, as many as requests, because it sets no burst."},
		{
			"given a burst where there was no limit",
			rate,
			"{}",
			"rateLimit: {requests: 1, per: 1m, burst: 11}",
			"allows a burst of at most 10: spec.rateLimit has one of 11.",
		},

		{
			"left without a rotation where one is required",
			"rotation: {required: true}",
			"rotation: {every: 1h}",
			"rotation: null",
			"demands a rotation: set spec.rotation.every.",
		},
		{
			"left without the clock of its rotation",
			"rotation: {required: true}",
			"rotation: {every: 1h, overlap: 1m}",
			"rotation: {overlap: 1m}",
			"demands a rotation: set spec.rotation.every.",
		},
		{"left without a rotation", "rotation: {maximumAge: 1h}", "rotation: {every: 2h}", "rotation: null", ""},
		{
			"rotated less often",
			"rotation: {maximumAge: 1h}",
			"rotation: {every: 2h}",
			"rotation: {every: 3h}",
			"demands that a key is at most 1h old: spec.rotation.every is 3h.",
		},
		{
			"rotated where it was not",
			"rotation: {maximumAge: 1h}",
			"{}",
			"rotation: {every: 3h}",
			"demands that a key is at most 1h old: spec.rotation.every is 3h.",
		},
	}
}

// subjectChanges are about customers, overlaps and the Secret.
func subjectChanges() []changeCase {
	const every = "demands customers: set spec.customers, without which a key is for every customer."

	return []changeCase{
		{"given some customers in place of all", "customers: {allowed: [acme], required: true}", "{}", "customers: [globex]", ""},
		{"renamed while it is for all customers", "customers: {allowed: [acme], required: true}", "{}", "displayName: a", ""},
		{
			"given a customer that is not allowed",
			"customers: {allowed: [acme]}",
			"customers: [globex]",
			"customers: [globex, initech]",
			`does not allow customers "initech": it allows "acme".`,
		},
		{"opened to all customers", "customers: {allowed: [acme]}", "customers: [globex]", "customers: null", every},
		{"opened to all customers where some are required", "customers: {required: true}", "customers: [globex]", "customers: null", every},
		{
			"given a longer overlap",
			"rotation: {maximumOverlap: 1h}",
			"rotation: {overlap: 2h}",
			"rotation: {overlap: 3h}",
			"lets a replaced key work at most 1h longer: spec.rotation.overlap is 3h.",
		},
		{
			"given its first overlap",
			"rotation: {maximumOverlap: 1h}",
			"{}",
			"rotation: {overlap: 61m}",
			"lets a replaced key work at most 1h longer: spec.rotation.overlap is 61m.",
		},
		{"left without an overlap", "rotation: {maximumOverlap: 0s}", "rotation: {overlap: 2h}", "rotation: null", ""},
		{"given a label on its Secret", `secret: {labelPrefixes: ["a.example/"]}`, "{}", "secret: {labels: {b: x}}",
			`does not allow the label "b" on a Secret: it allows names that begin with "a.example/".`},
		{"given another value of a label", `secret: {labelPrefixes: ["a.example/"]}`, "secret: {labels: {b: x}}", "secret: {labels: {b: z}}",
			`does not allow the label "b" on a Secret: it allows names that begin with "a.example/".`},
		{
			"given another value of an annotation",
			`secret: {annotationPrefixes: ["a.example/"]}`,
			"secret: {annotations: {b: x, c: x}}",
			"secret: {annotations: {b: x, c: z}}",
			`does not allow the annotation "c" on a Secret: it allows names that begin with "a.example/".`,
		},
		{
			"given a label that is allowed beside another",
			`secret: {labelPrefixes: ["a.example/"]}`,
			"secret: {labels: {b: x}}",
			"secret: {labels: {b: x, a.example/c: z}}",
			"",
		},
	}
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

// inHours is a time from now, as YAML.
func inHours(n int) string {
	return `"` + time.Now().Add(time.Duration(n)*time.Hour).UTC().Format(time.RFC3339) + `"`
}

// applied is an APIKey with permissions as a pipeline applies it.
func applied(namespace string, permissions ...string) runtime.ApplyConfiguration {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	object.SetNamespace(namespace)
	object.SetName("applied")
	spec := map[string]any{"environment": string(v1alpha1.EnvironmentProduction)}
	if len(permissions) > 0 {
		spec["permissions"] = permissions
	}
	object.Object["spec"] = spec

	return client.ApplyConfigurationFromUnstructured(object)
}

var _ = Describe("An APIKey that was there before an APIKeyPolicy", func() {
	for _, c := range slices.Concat(changeCases(), subjectChanges()) {
		verdict := "cannot be "
		if c.answer == "" {
			verdict = "can be "
		}
		It(verdict+c.name, func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			apikey := declared(namespace, c.before)
			Expect(admin.Create(ctx, apikey)).To(Succeed())
			policy := limited(ctx, namespace, c.policy)

			apikey.Spec = declared(namespace, change(c.before, c.fields)).Spec
			Expect(answer(admin.Update(ctx, apikey))).To(Equal(about(policy, c.answer)))
		})
	}

	It("keeps its finalizers and labels no longer than somebody wants it to", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		apikey := declared(namespace, outside)
		apikey.Finalizers = []string{"example.com/archive"}
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		limited(ctx, namespace, tightened)

		apikey.Labels = map[string]string{"a": "b"}
		Expect(admin.Update(ctx, apikey)).To(Succeed())
		Expect(admin.Delete(ctx, apikey)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(apikey), apikey)).To(Succeed())
		apikey.Finalizers = nil
		Expect(admin.Update(ctx, apikey)).To(Succeed())
	})

	It("is held to it for the controllers of Kubernetes, too", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		apikey := declared(namespace, "{}")
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		limited(ctx, namespace, "permissions: [a]")
		apikey.Spec.Permissions = []v1alpha1.Permission{"b"}
		Expect(answer(admin.Update(ctx, apikey.DeepCopy()))).NotTo(BeEmpty())
		for _, user := range []string{
			"system:serviceaccount:kube-system:namespace-controller", "system:serviceaccount:kube-system:generic-garbage-collector",
			"system:kube-controller-manager",
		} {
			Expect(answer(asMaster(user).Update(ctx, apikey.DeepCopy()))).NotTo(BeEmpty(), user)
		}
	})

	It("can be rotated with an overlap up to the maximum, as a new one may ask for any", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		policy := limited(ctx, namespace, "rotation: {maximumOverlap: 1h}")
		apikey := newAPIKey(namespace)
		annotated("new,overlap=720h")(apikey)
		Expect(admin.Create(ctx, apikey)).To(Succeed(), "it asks for no rotation")
		apikey.Spec.DisplayName = "a"
		Expect(admin.Update(ctx, apikey)).To(Succeed(), "the annotation has not changed")
		annotated("longer,overlap=61m")(apikey)
		Expect(answer(admin.Update(ctx, apikey.DeepCopy()))).To(Equal(about(policy,
			"lets a replaced key work at most 1h longer: the annotation apikey-operator.io/rotate asks for 61m.")))
		for _, value := range []string{"a,overlap=60m", "a,overlap=0s", "a"} {
			annotated(value)(apikey)
			Expect(admin.Update(ctx, apikey)).To(Succeed(), value)
		}
		apikey.Annotations = nil
		Expect(admin.Update(ctx, apikey)).To(Succeed())
	})

	It("can be given numbers as JSON writes them", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		apikey := declared(namespace, "{}")
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		policy := limited(ctx, namespace, "rateLimit: {maximum: {requests: 10, per: 1m}}")
		limit := func(numbers string) error {
			return admin.Patch(ctx, apikey, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"rateLimit":{"per":"1m",`+numbers+`}}}`)))
		}
		Expect(answer(limit(`"requests":1.1e1`))).To(Equal(about(policy, "allows at most 10 requests per 1m: spec.rateLimit has 11 per 1m.")))
		Expect(answer(limit(`"requests":1e1,"burst":2e1`))).To(Equal(about(policy, "allows a burst of at most 10: spec.rateLimit has one of 20.")))
		Expect(limit(`"requests":1e1,"burst":1.0`)).To(Succeed())
	})

	It("can be given an end up to the maximum from its creation, to the second", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		apikey := declared(namespace, "validFor: 1h")
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		policy := limited(ctx, namespace, "expiry: {maximum: 24h}")

		latest := apikey.CreationTimestamp.Add(24 * time.Hour)
		apikey.Spec.ValidFor = ""
		apikey.Spec.ExpiresAt = &metav1.Time{Time: latest.Add(time.Second)}
		Expect(answer(admin.Update(ctx, apikey.DeepCopy()))).To(Equal(about(policy,
			"lets a key live at most 24h from its creation: spec.expiresAt is later. It is "+latest.Add(time.Second).UTC().Format(time.RFC3339)+
				" and may be "+latest.UTC().Format(time.RFC3339)+" at the latest.")))
		apikey.Spec.ExpiresAt.Time = latest
		Expect(admin.Update(ctx, apikey)).To(Succeed())
	})

	It("can be given any end where it was handed out without one", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		apikey := declared(namespace, "{}")
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		apikey.Status.LastRotation = &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: apikey.CreationTimestamp}
		Expect(admin.Status().Update(ctx, apikey)).To(Succeed())
		policy := limited(ctx, namespace, "expiry: {maximum: 24h}")

		apikey.Spec.ValidFor = "48h"
		Expect(admin.Update(ctx, apikey)).To(Succeed())
		apikey.Spec.ValidFor = "48h1s"
		Expect(answer(admin.Update(ctx, apikey))).To(Equal(about(policy, "lets a key live at most 24h from its creation: spec.validFor is 48h1s.")))
	})

	It("can be given an end only up to the one that the operator recorded where its spec had none", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		apikey := declared(namespace, "{}")
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		apikey.Status.ExpiresAt = &metav1.Time{Time: apikey.CreationTimestamp.Add(48 * time.Hour)}
		Expect(admin.Status().Update(ctx, apikey)).To(Succeed())
		policy := limited(ctx, namespace, "expiry: {maximum: 24h}")

		apikey.Spec.ValidFor = "48h1s"
		Expect(answer(admin.Update(ctx, apikey.DeepCopy()))).To(Equal(about(policy, "lets a key live at most 24h from its creation: spec.validFor is 48h1s.")))
		apikey.Spec.ValidFor = "48h"
		Expect(admin.Update(ctx, apikey)).To(Succeed())
	})
})
