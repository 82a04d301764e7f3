//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	managerComponent  = "manager"
	verifierComponent = "verifier"
	controlPlaneLabel = "node-role.kubernetes.io/control-plane"
	leaseName         = "apikey-operator.apikey-operator.io"
)

// nodes returns the nodes of the cluster, by name.
func nodes(ctx context.Context) []corev1.Node {
	GinkgoHelper()
	list := &corev1.NodeList{}
	Expect(admin.List(ctx, list)).To(Succeed())
	slices.SortFunc(list.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })

	return list.Items
}

// isReady reports whether a node is ready.
func isReady(node corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// isOpen reports whether the scheduler may place the pods of the operator on a node.
func isOpen(node corev1.Node) bool {
	return isReady(node) && !node.Spec.Unschedulable && !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule
	})
}

// readyNodes returns the ready nodes.
func readyNodes(ctx context.Context) []corev1.Node {
	GinkgoHelper()

	return slices.DeleteFunc(nodes(ctx), func(node corev1.Node) bool { return !isReady(node) })
}

// openNodes returns the names of the nodes on which the pods of the operator may run.
func openNodes(ctx context.Context) []string {
	GinkgoHelper()
	var names []string
	for _, node := range nodes(ctx) {
		if isOpen(node) {
			names = append(names, node.Name)
		}
	}

	return names
}

// steadyNode returns the node of the API server, to which no test does anything.
func steadyNode(ctx context.Context) string {
	GinkgoHelper()
	all := nodes(ctx)
	if i := slices.IndexFunc(all, func(node corev1.Node) bool { return hasLabel(&node, controlPlaneLabel) }); i >= 0 {
		return all[i].Name
	}

	return all[0].Name
}

func hasLabel(object client.Object, label string) bool {
	_, found := object.GetLabels()[label]

	return found
}

// pods returns the pods of a component that are not being deleted.
func pods(ctx context.Context, component string) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{componentLabel: component})).To(Succeed())

	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
}

// leader returns the pod that holds the Lease.
func leader(ctx context.Context) corev1.Pod {
	GinkgoHelper()
	var found corev1.Pod
	Eventually(func(g Gomega) {
		lease := &coordinationv1.Lease{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: leaseName}, lease)).To(Succeed())
		g.Expect(lease.Spec.HolderIdentity).NotTo(BeNil())
		name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
		g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &found)).To(Succeed())
		g.Expect(found.DeletionTimestamp).To(BeNil())
	}).WithContext(ctx).Should(Succeed(), "the Lease must name a running replica")

	return found
}
