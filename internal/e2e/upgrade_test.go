//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"os"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const previousImage = "e2e.local/apikey-operator:previous"

// upgradeSpecs install the previous release first. They are the first specs, on a cluster without an installation.
func upgradeSpecs() {
	It("keeps keys and answers every request", func(ctx context.Context) {
		answers := requirement("upgrade from the previous release under load", "0 failed, same keys")
		previous := artefact("previous", "source")
		if _, err := os.Stat(previous); err != nil {
			answers.leaveOut("this clone lacks the commit of the previous release")
			Skip(answers.measured)
		}
		prepare(ctx)
		makeTarget(ctx, previous, "deploy", previousImage)
		awaitRollout(ctx)
		workload, spare := fresh("website"), fresh("spare")
		mintNamed(ctx, workload)
		mintNamed(ctx, spare)
		used, unused := keyOf(ctx, workload), keyOf(ctx, spare)
		startCaller(ctx, workloadCall, workload, 1)
		before := reportOf(ctx, workloadCall)

		makeTarget(ctx, root, "deploy", currentImage)
		awaitRollout(ctx)
		mint(ctx, "after-upgrade")
		after := reportOf(ctx, workloadCall).since(before)
		kept := keyOf(ctx, workload) == used && keyOf(ctx, spare) == unused // Expect would print keys
		answers.is(kept && after.Failed == 0 && after.Sent > 0, "%s, same keys: %t", after, kept)
	}, SpecTimeout(2*patience))
}

// redeploySpecs remove the operator for some time.
func redeploySpecs() {
	It("keeps what gateways know", func(ctx context.Context) {
		r := requirement("`make undeploy`, then deploy again", "namespace, certificate and Service stay")
		install(ctx)
		before := identities(ctx)
		makeTarget(ctx, root, "undeploy", currentImage)
		for _, component := range []string{managerComponent, verifierComponent} { // garbage collection deletes them
			Eventually(pods).WithContext(ctx).WithArguments(component).Should(BeEmpty())
		}
		makeTarget(ctx, root, "deploy", currentImage)
		awaitRollout(ctx)
		mint(ctx, "after-redeploy")
		difference := cmp.Diff(before, identities(ctx))
		r.is(difference == "", "%s", stays(difference))
	}, SpecTimeout(2*patience))
}

// stays says whether something stayed.
func stays(difference string) string {
	if difference == "" {
		return "all stay"
	}

	return difference
}

// identities returns the UIDs of what gateways depend on, and the address of the Service.
func identities(ctx context.Context) map[string]types.UID {
	GinkgoHelper()
	service := &corev1.Service{}
	found := map[string]types.UID{}
	for key, object := range map[client.ObjectKey]client.Object{
		{Name: namespace}: &corev1.Namespace{},
		{Namespace: namespace, Name: certificateName}: &corev1.Secret{},
		{Namespace: namespace, Name: verifierService}: service,
	} {
		Expect(admin.Get(ctx, key, object)).To(Succeed())
		found[key.String()] = object.GetUID()
	}
	found["address"] = types.UID(service.Spec.ClusterIP)

	return found
}
