//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// containerOf returns the id of the container of a pod, as its runtime knows it.
func containerOf(pod corev1.Pod) string {
	GinkgoHelper()
	Expect(pod.Status.ContainerStatuses).To(HaveLen(1))
	_, id, found := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	Expect(found).To(BeTrue())

	return id
}

// evict drains the pods of the operator and the verifier from a node. Those of others stay: the DNS of the cluster may have one replica.
func evict(ctx context.Context, node string) {
	GinkgoHelper()
	kubectl(ctx, "drain", node, "--ignore-daemonsets", "--pod-selector=app.kubernetes.io/name=apikey-operator", "--timeout="+patience.String())
}

// watchSpread looks again and again for two replicas of one of these components on one node while two nodes are open to them. The function
// that it returns ends that and returns what was found.
func watchSpread(ctx context.Context, components ...string) (end func() []string) {
	ctx, cancel := context.WithCancel(ctx)
	var found []string
	ended := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(ended)
		_ = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) { // the end of the context is no failure
			found = append(found, together(ctx, components)...)

			return false, nil
		})
	}()

	return func() []string {
		cancel()
		<-ended

		return found
	}
}

// together returns the nodes with two replicas of one ReplicaSet while there are two open nodes. Errors count as nothing found: the next look
// follows.
func together(ctx context.Context, components []string) (found []string) {
	all, placed := &corev1.NodeList{}, &corev1.PodList{}
	if admin.List(ctx, all) != nil || admin.List(ctx, placed, client.InNamespace(namespace)) != nil {
		return nil
	}
	open := slices.DeleteFunc(all.Items, func(node corev1.Node) bool { return !isOpen(node) })
	if len(open) < 2 {
		return nil
	}
	first := map[string]string{}
	for _, pod := range placed.Items {
		place := pod.Spec.NodeName + pod.Labels["pod-template-hash"]
		switch {
		case !slices.Contains(components, pod.Labels[componentLabel]):
		case pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning:
		case first[place] != "":
			found = append(found, fmt.Sprintf("%s and %s on %s at %s", first[place], pod.Name, pod.Spec.NodeName, time.Now().Format(time.TimeOnly)))
		default:
			first[place] = pod.Name
		}
	}

	return found
}
