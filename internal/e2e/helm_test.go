//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/internal/installation"
)

const (
	release = "apikey-operator"
	// moreVerifiers is what the upgrade changes.
	moreVerifiers = "verifier.replicas=3"
)

// helmSpecs install the chart.
func helmSpecs() {
	It("keeps keys through install, upgrade, rollback and uninstall", func(ctx context.Context) {
		r := requirement("Helm: install, upgrade, rollback, uninstall", "keys stay")
		remove(ctx)
		prepare(ctx)
		repository, tag, _ := strings.Cut(currentImage, ":")
		image := []string{"--set=image.repository=" + repository, "--set=image.tag=" + tag}
		helm(ctx, append([]string{"install", release, "config/chart"}, image...)...)
		_, err := installation.AwaitGuardrails(ctx, config)
		Expect(err).NotTo(HaveOccurred())
		name := fresh("website")
		mintNamed(ctx, name)
		key := keyOf(ctx, name)
		var done []string
		kept := func(step string, verifiers int) {
			Expect(pods(ctx, verifierComponent)).To(HaveLen(verifiers), step)
			if keyOf(ctx, name) == key { // Expect would print the key
				done = append(done, step)
			}
		}
		kept("install", 2)
		helm(ctx, append([]string{"upgrade", release, "config/chart", "--set=" + moreVerifiers}, image...)...)
		kept("upgrade", 3)
		mint(ctx, "after-upgrade")
		helm(ctx, "rollback", release, "1")
		Eventually(pods).WithContext(ctx).WithArguments(verifierComponent).Should(HaveLen(2))
		kept("rollback", 2)
		mint(ctx, "after-rollback")
		helm(ctx, "uninstall", release)
		kept("uninstall", 0)
		Expect(pods(ctx, managerComponent)).To(BeEmpty())
		r.is(len(done) == 4, "the key stayed through %s", strings.Join(done, ", "))
	}, SpecTimeout(3*patience))
}

// helm runs a command of Helm and waits until the cluster has followed.
func helm(ctx context.Context, args ...string) {
	GinkgoHelper()
	run(ctx, root, filepath.Join(root, "bin", "charts", "helm"),
		append(args, "--namespace="+namespace, "--wait", fmt.Sprintf("--timeout=%s", patience))...)
}
