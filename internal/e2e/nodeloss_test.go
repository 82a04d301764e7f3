//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// replacementLimit is how long after Kubernetes noticed the loss of a node its verifier is missed. Kubernetes notices after 40 to 50 s.
	replacementLimit = 30 * time.Second
	// lossLimit is the share of requests that may fail when a node is lost.
	lossLimit = 0.001
	// gatewayAttempts is how often the caller sends a request that was not answered, as gateways do.
	gatewayAttempts = 4
)

// nodeLossSpecs cut a node off that runs the leader and a verifier.
func nodeLossSpecs() {
	It("survives the loss of the leader's node", func(ctx context.Context) {
		minting := requirement("node of the leader lost → next mint", "≤ 8 s")
		replacing := requirement("verifier of a lost node replaced, after Kubernetes marked the node", "≤ 30 s")
		answering := requirement("failed requests when a node with a verifier is lost, through a gateway that tries again", "≤ 0.1 %")
		if len(awaitNodes(ctx)) < 3 {
			for _, r := range []*row{minting, replacing, answering} {
				r.leaveOut("needs three nodes")
			}
			Skip(minting.measured)
		}
		install(ctx)
		deleteAll(ctx, &v1alpha1.APIKey{})
		workload := fresh("website")
		mintNamed(ctx, workload)
		lost := chooseNode(ctx)
		gather(ctx, lost)
		startCaller(ctx, workloadCall, workload, gatewayAttempts)
		before := reportOf(ctx, workloadCall)

		start := time.Now()
		fault(ctx, "node-down", lost)
		DeferCleanup(func(ctx context.Context) { bringBack(ctx, lost) }, NodeTimeout(2*patience))
		minted := mintSince(ctx, "after-loss", start)
		noticed := awaitLoss(ctx, lost)
		replaced := awaitReplacement(ctx, lost).Sub(noticed)
		after := reportOf(ctx, workloadCall).since(before)

		minting.note(minted, takeoverLimit)
		replacing.note(replaced, replacementLimit)
		share := float64(after.Failed) / float64(after.Sent)
		answering.is(share <= lossLimit, "%.2f %% (%s)", 100*share, after)
		minting.within(minted, takeoverLimit)
		replacing.within(replaced, replacementLimit)
	}, SpecTimeout(2*patience))
}

// chooseNode returns the node to lose: that of the leader, unless it is the steady one or runs the DNS of the cluster, which is not what the
// test is about.
func chooseNode(ctx context.Context) string {
	GinkgoHelper()
	dns := &corev1.PodList{}
	Expect(admin.List(ctx, dns, client.InNamespace("kube-system"), client.MatchingLabels{"k8s-app": "kube-dns"})).To(Succeed())
	steady := steadyNode(ctx)
	fit := slices.DeleteFunc(openNodes(ctx), func(node string) bool {
		return node == steady || slices.ContainsFunc(dns.Items, func(pod corev1.Pod) bool { return pod.Spec.NodeName == node })
	})
	Expect(fit).NotTo(BeEmpty(), "a node without the DNS of the cluster")
	if leading := leader(ctx).Spec.NodeName; slices.Contains(fit, leading) {
		return leading
	}

	return fit[0]
}

// runsVerifier reports whether a node runs a verifier.
func runsVerifier(ctx context.Context, node string) bool {
	GinkgoHelper()

	return slices.ContainsFunc(pods(ctx, verifierComponent), func(pod corev1.Pod) bool { return pod.Spec.NodeName == node })
}

// gather brings the leader and a verifier to a node, and leaves a third node open.
func gather(ctx context.Context, lost string) {
	GinkgoHelper()
	if leader(ctx).Spec.NodeName == lost && runsVerifier(ctx, lost) {
		return
	}
	closed := slices.DeleteFunc(openNodes(ctx), func(node string) bool { return node == lost || node == steadyNode(ctx) })
	if !isOpenNode(ctx, steadyNode(ctx)) { // two workers besides the steady node take all replicas
		closed = closed[1:]
	}
	for _, node := range closed {
		kubectl(ctx, "cordon", node)
		evict(ctx, node)
	}
	awaitRollout(ctx)
	if pod := leader(ctx); pod.Spec.NodeName != lost {
		Expect(admin.Delete(ctx, &pod)).To(Succeed())
		Eventually(func() string { return leader(ctx).Spec.NodeName }).WithContext(ctx).Should(Equal(lost))
		awaitRollout(ctx)
	}
	for _, node := range closed {
		kubectl(ctx, "uncordon", node)
	}
	Expect(runsVerifier(ctx, lost)).To(BeTrue(), "a verifier runs on %s", lost)
}

// awaitNodes waits until the cluster takes no node for lost, as it does for a while after an outage of the API server, and returns the open ones.
func awaitNodes(ctx context.Context) []string {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, node := range nodes(ctx) {
			g.Expect(isReady(node)).To(BeTrue(), node.Name)
			g.Expect(node.Spec.Taints).NotTo(ContainElement(HaveField("Effect", corev1.TaintEffectNoExecute)), node.Name)
		}
	}).WithContext(ctx).Should(Succeed())

	return openNodes(ctx)
}

// isOpenNode reports whether the pods of the operator may run on a node.
func isOpenNode(ctx context.Context, name string) bool {
	GinkgoHelper()

	return slices.Contains(openNodes(ctx), name)
}

// awaitLoss waits until Kubernetes marks a node as lost, and returns when that was seen.
func awaitLoss(ctx context.Context, name string) time.Time {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		node := &corev1.Node{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
		g.Expect(node.Spec.Taints).To(ContainElement(HaveField("Key", corev1.TaintNodeUnreachable)))
	}).WithContext(ctx).Should(Succeed())

	return time.Now()
}

// awaitReplacement waits until as many verifiers as before are ready on other nodes, and returns when that was seen.
func awaitReplacement(ctx context.Context, lost string) time.Time {
	GinkgoHelper()
	Eventually(func() int {
		return len(slices.DeleteFunc(pods(ctx, verifierComponent), func(pod corev1.Pod) bool {
			return pod.Spec.NodeName == lost || !podReady(pod)
		}))
	}).WithContext(ctx).Should(BeNumerically(">=", 2))

	return time.Now()
}

// podReady reports whether a pod is ready.
func podReady(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// bringBack connects a node again and waits until the cluster is as before.
func bringBack(ctx context.Context, node string) {
	GinkgoHelper()
	fault(ctx, "node-up", node)
	Eventually(func() bool { return isOpenNode(ctx, node) }).WithContext(ctx).Should(BeTrue())
	awaitRollout(ctx)
}
