//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	namespace      = "apikey-operator-system"
	currentImage   = "e2e.local/apikey-operator:current"
	componentLabel = "app.kubernetes.io/component"
	// keysNamespace is where the tests make APIKeys.
	keysNamespace = "storefront"
)

// installSpecs are about an installation on an empty cluster.
func installSpecs() {
	It("serves the first create", func(ctx context.Context) {
		r := requirement("first create after an install", "passes")
		remove(ctx)
		makeNamespace(ctx, keysNamespace)
		makeTarget(ctx, root, "deploy", currentImage)
		first := fresh("first")
		err := admin.Create(ctx, newKey(first))
		r.is(err == nil, "%s", outcome(err))
		awaitActive(ctx, first, time.Now())
	}, SpecTimeout(5*time.Minute))
}

// outcome says how a request ended.
func outcome(err error) string {
	if err != nil {
		return err.Error()
	}

	return "passes"
}

// install brings the cluster to a running installation of the current release with a certificate. One without a certificate is removed
// first: running verifiers see a new certificate a minute later.
func install(ctx context.Context) {
	GinkgoHelper()
	if err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: certificateName}, &corev1.Secret{}); err != nil {
		remove(ctx)
	}
	prepare(ctx)
	makeTarget(ctx, root, "deploy", currentImage)
	awaitRollout(ctx)
}

// prepare does what the documentation asks for before an installation.
func prepare(ctx context.Context) {
	GinkgoHelper()
	makeNamespace(ctx, namespace)
	makeNamespace(ctx, keysNamespace)
	makeCertificate(ctx)
}

// awaitRollout waits until all replicas run.
func awaitRollout(ctx context.Context) {
	GinkgoHelper()
	for _, deployment := range []string{"controller-manager", "verifier"} {
		kubectl(ctx, "-n", namespace, "rollout", "status", "deployment/apikey-operator-"+deployment, "--timeout="+patience.String())
	}
}

// remove brings the cluster to a state without an installation.
func remove(ctx context.Context) {
	GinkgoHelper()
	withdraw(ctx)
	kubectl(ctx, "delete", "--ignore-not-found", "-k", "config/crd", "--timeout="+patience.String())
}

// withdraw removes everything of an installation but its CRDs, whichever spec made it, and the namespaces of the specs. Kubernetes looks for new
// and lost kinds every 30 seconds, so an installation on a cluster that has the CRDs works much sooner.
func withdraw(ctx context.Context) {
	GinkgoHelper()
	const ours = "--selector=app.kubernetes.io/name=apikey-operator"
	limit := "--timeout=" + patience.String()
	// Pods end without the time that gateways need. Orphaned, they are replaced by none. A namespace without pods goes at once: the namespace
	// controller comes back to one with pods after half of their grace.
	kubectl(ctx, "delete", "deployments,replicasets", "--all-namespaces", ours, "--cascade=orphan", limit)
	kubectl(ctx, "delete", "pods", "--all-namespaces", ours, "--grace-period=1", limit)
	// Guardrails first: without the operator that they name, they may refuse what follows.
	kubectl(ctx, "delete", "validatingadmissionpolicybindings,validatingadmissionpolicies", ours, limit)
	kubectl(ctx, "delete", "clusterrolebindings,clusterroles,priorityclasses", ours, limit)
	kubectl(ctx, append([]string{"delete", "namespace", "--ignore-not-found", limit, namespace, keysNamespace, overlayNamespace}, teams...)...)
}

// makeNamespace makes a namespace whose pods may ask the verifier and read metrics.
func makeNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		"apikey-operator.io/gateway": "enabled", "metrics": "enabled",
	}}}
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, made))).To(Succeed())
	for account, object := range map[string]client.Object{"default": &corev1.ServiceAccount{}, "kube-root-ca.crt": &corev1.ConfigMap{}} {
		Eventually(admin.Get).WithContext(ctx).WithArguments(client.ObjectKey{Namespace: name, Name: account}, object).Should(Succeed())
	}
}
