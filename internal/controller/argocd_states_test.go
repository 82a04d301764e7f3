// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// everyState calls a function with an APIKey in each combination of phase, conditions, observed generation and deletion, also in those
// that no operator writes: a status can be restored, or be of another version. A condition that is "" is absent.
func everyState(yield func(name string, object *unstructured.Unstructured)) {
	phases := []v1alpha1.Phase{
		v1alpha1.PhasePending, v1alpha1.PhaseActive, v1alpha1.PhaseSuspended, v1alpha1.PhaseRevoked, v1alpha1.PhaseExpired, "Later", "",
	}
	for _, phase := range phases {
		for _, ready := range []string{"True", "False", "Unknown"} {
			for _, abnormal := range [][2]string{{"", ""}, {"True", ""}, {"", "True"}, {"False", "True"}, {"True", "False"}, {"False", "False"}} {
				for observed := int64(-1); observed <= 4; observed++ { // of generation 3
					for _, deleting := range []bool{false, true} {
						object := stateOf(phase, observed, deleting, [][2]string{
							{v1alpha1.ConditionReady, ready}, {v1alpha1.ConditionReconciling, abnormal[0]}, {v1alpha1.ConditionStalled, abnormal[1]},
						})
						yield(fmt.Sprint(phase, " ", ready, abnormal, observed, deleting), object)
					}
				}
			}
		}
	}
}

// stateOf returns an APIKey of generation 3.
func stateOf(phase v1alpha1.Phase, observed int64, deleting bool, conditions [][2]string) *unstructured.Unstructured {
	metadata := map[string]any{"name": "main-website", "namespace": "storefront", "generation": int64(3)}
	if deleting {
		metadata["deletionTimestamp"] = "2026-11-21T00:00:00Z"
	}
	all := []any{}
	for _, c := range conditions {
		if c[1] != "" {
			all = append(all, map[string]any{"type": c[0], "status": c[1], "reason": "Any", "message": "of " + c[0]})
		}
	}
	state := map[string]any{"observedGeneration": observed, "conditions": all}
	if phase != "" {
		state["phase"] = string(phase)
	}

	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "APIKey", "metadata": metadata,
		"spec": map[string]any{"environment": "Production"}, "status": state,
	}}
}

var _ = Describe("Argo CD and kstatus", func() {
	It("agree about every state", func() {
		c := newArgoCD()
		seen := map[string]int{}
		everyState(func(name string, object *unstructured.Unstructured) {
			phase, _, err := unstructured.NestedString(object.Object, "status", "phase")
			Expect(err).NotTo(HaveOccurred())
			health, message := c.healthOf(object)
			Expect(health).To(Equal(argoHealth(kstatus(object), phase)), name)
			Expect(message).NotTo(BeEmpty(), name)
			seen[health]++
		})
		for _, health := range []string{"Progressing", "Degraded", "Suspended", "Healthy"} {
			Expect(seen).To(HaveKeyWithValue(health, BeNumerically(">", 0)))
		}
	})

	DescribeTable("take an APIKey that no operator has reported about for unfinished", func(state any) {
		object := stateOf("", 0, false, nil)
		object.Object["status"] = state
		c := newArgoCD()
		health, message := c.healthOf(object)
		Expect(health).To(Equal("Progressing"))
		Expect(message).NotTo(BeEmpty())
		Expect(c.enabled(object)).To(ConsistOf("suspend", "revoke"))
	},
		Entry("without a status", nil),
		Entry("with an empty status", map[string]any{}),
		Entry("with conditions of no generation", map[string]any{"phase": "Pending", "conditions": []any{
			map[string]any{"type": v1alpha1.ConditionReady, "status": "True"},
		}}),
		Entry("with the default of the schema", map[string]any{"observedGeneration": int64(-1), "phase": "Pending"}),
		Entry("with no conditions", map[string]any{"observedGeneration": int64(3), "phase": "Pending", "conditions": []any{}}),
		Entry("with null conditions", map[string]any{"observedGeneration": int64(3), "phase": "Pending", "conditions": nil}),
	)

	It("differ in that only Argo CD offers actions, and none for an APIKey that is over or being deleted", func() {
		c := newArgoCD()
		everyState(func(name string, object *unstructured.Unstructured) {
			phase, _, err := unstructured.NestedString(object.Object, "status", "phase")
			Expect(err).NotTo(HaveOccurred())
			offered := BeEmpty()
			over := phase == string(v1alpha1.PhaseRevoked) || phase == string(v1alpha1.PhaseExpired) || object.GetDeletionTimestamp() != nil
			if !over {
				offered = ContainElement("revoke")
			}
			Expect(c.enabled(object)).To(offered, name)
		})
	})
})
