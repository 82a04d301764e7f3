//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"net/http"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// teams are the namespaces of config/overlays/namespaces.
var teams = []string{"team-a", "team-b"}

// namespacesSpecs install an operator and a verifier for two namespaces.
func namespacesSpecs() {
	It("works in the named namespaces and nowhere else", func(ctx context.Context) {
		working := requirement("config/overlays/namespaces: keys", "accepted in team-a and team-b, and not minted elsewhere")
		allowed := requirement("config/overlays/namespaces: rights to APIKeys and Secrets", "Roles of the golden list, in team-a and team-b only")
		withdraw(ctx)
		for _, name := range append([]string{keysNamespace}, teams...) {
			makeNamespace(ctx, name)
		}
		applyOverlay(ctx, filepath.Join("config", "overlays", "namespaces"), teams[0])
		awaitRollout(ctx)
		startAsker(ctx)

		elsewhere := newKey(fresh("elsewhere")) // before the others: it would be minted when they are
		Expect(admin.Create(ctx, elsewhere)).To(Succeed())
		for _, team := range teams {
			name := fresh("website")
			Expect(admin.Create(ctx, newKeyIn(team, name))).To(Succeed())
			awaitActiveIn(ctx, team, name)
			for _, pod := range pods(ctx, verifierComponent) {
				Eventually(ask).WithContext(ctx).WithArguments(pod, keyIn(ctx, team, name)).Should(Equal(http.StatusOK), "%s", pod.Name)
			}
		}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(elsewhere), elsewhere)).To(Succeed())
		untouched := secretGone(ctx, elsewhere.Name) && len(elsewhere.Status.Keys) == 0

		everywhere := append([]string{namespace, keysNamespace}, teams...)
		for _, account := range []string{"controller-manager", "verifier"} {
			testkit.Golden(GinkgoTB(), "rights-namespaces-"+account+".txt", rights(ctx, "apikey-operator-"+account, everywhere...), *update)
		}
		allowed.is(true, "the same")
		working.is(untouched, "accepted in team-a and team-b; minted elsewhere: %t", !untouched)
	}, SpecTimeout(2*patience))
}
