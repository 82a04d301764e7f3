//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// takeoverLimit is how long minting may stop when the leader ends without a word.
	takeoverLimit = 8 * time.Second
	// handoverLimit is how long it may stop when the leader hands over.
	handoverLimit = 2 * time.Second
	// overlap is longer than the kubelet takes to refresh a mounted Secret (up to 80 s), and all steps of the spec together.
	overlap = "10m"

	workloadCall = "caller"
)

// rotationSpecs disturb the operator and the verifier while a pod sends requests with a key that is rotated. The rotations come first: the kubelet
// takes about a minute to refresh the mounted Secret after the last of them.
func rotationSpecs() {
	var (
		before   traffic
		workload string
	)

	BeforeAll(func(ctx context.Context) {
		install(ctx)
		workload = fresh("website")
		apikey := newKey(workload)
		apikey.Spec.Rotation = &v1alpha1.Rotation{Overlap: overlap}
		deleteAll(ctx, &v1alpha1.APIKey{})
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		awaitActive(ctx, workload, time.Now())
		startCaller(ctx, workloadCall, workload, 1)
		before = reportOf(ctx, workloadCall)
	}, NodeTimeout(2*patience))

	It("rotates during a rolling restart", func(ctx context.Context) {
		kubectl(ctx, "-n", namespace, "rollout", "restart", "deployment")
		requestRotation(ctx, workload, "rolling-restart")
		awaitRollout(ctx)
		awaitRotation(ctx, workload, "rolling-restart")
	}, SpecTimeout(patience))

	It("keeps replicas apart during a drain", func(ctx context.Context) {
		r := requirement("both replicas on one node during and after a drain that leaves two nodes", "never")
		drained := leader(ctx).Spec.NodeName
		watch := watchSpread(ctx, managerComponent, verifierComponent)
		kubectl(ctx, "cordon", drained)
		evict(ctx, drained)
		requestRotation(ctx, workload, "drain")
		awaitRotation(ctx, workload, "drain")
		awaitRollout(ctx)
		kubectl(ctx, "uncordon", drained)
		together := watch()
		r.is(len(together) == 0, "%s", seen(together))
	}, SpecTimeout(2*patience))

	It("mints again after the leader was killed", func(ctx context.Context) {
		r := requirement("kill -9 of the leader → next mint", "≤ 8 s")
		pod := leader(ctx)
		start := time.Now()
		fault(ctx, "kill-container", pod.Spec.NodeName, containerOf(pod))
		requestRotation(ctx, workload, "leader-kill")
		took := mintSince(ctx, "after-kill", start)
		awaitRotation(ctx, workload, "leader-kill")
		awaitRollout(ctx)
		r.within(took, takeoverLimit)
	}, SpecTimeout(patience))

	It("mints again after the leader handed over", func(ctx context.Context) {
		r := requirement("graceful handover → next mint", "≤ 2 s")
		pod := leader(ctx)
		start := time.Now()
		Expect(admin.Delete(ctx, &pod)).To(Succeed())
		took := mintSince(ctx, "after-handover", start)
		awaitRollout(ctx)
		r.within(took, handoverLimit)
	}, SpecTimeout(patience))

	It("keeps replicas of the operator apart when a drain leaves them one node", func(ctx context.Context) {
		r := requirement("both replicas of the operator on one node after a drain that left one, once there are two again", "never")
		open := openNodes(ctx)
		for _, closed := range open[2:] {
			DeferCleanup(func(ctx context.Context) { kubectl(ctx, "uncordon", closed) }, NodeTimeout(patience))
			kubectl(ctx, "cordon", closed)
			evict(ctx, closed)
			awaitRollout(ctx)
		}
		watch := watchSpread(ctx, managerComponent)
		kubectl(ctx, "cordon", open[1])
		evict(ctx, open[1])
		kubectl(ctx, "uncordon", open[1])
		awaitRollout(ctx)
		together := watch()
		r.is(len(together) == 0, "%s", seen(together))
	}, SpecTimeout(2*patience))

	It("keeps requests answered through all of it", func(ctx context.Context) {
		r := requirement("rotation with overlap, pod with mounted Secret at 20 requests/s, during leader kill, drain and rolling restart", "0 failed")
		awaitCallerKey(ctx, workloadCall, workload)
		after := reportOf(ctx, workloadCall).since(before)
		r.is(after.Failed == 0 && after.Sent > 0, "%s", after)
	}, SpecTimeout(2*patience))
}

// seen lists what was seen and should not have been.
func seen(found []string) string {
	if len(found) == 0 {
		return "never"
	}

	return fmt.Sprintf("seen: %s", found[0])
}
