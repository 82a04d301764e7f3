//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/internal/installation"
)

// overlayManifest changes what teams change first.
const (
	overlayNamespace = "key-service"
	overlayManifest  = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ` + overlayNamespace + `
namePrefix: team-
resources: [../../../config/default]
`
)

// overlaySpecs install overlays of config/default.
func overlaySpecs() {
	It("mints in another namespace and with another prefix", func(ctx context.Context) {
		r := requirement("overlay with another namespace and prefix", "mints")
		folder := artefact("overlay")
		Expect(os.MkdirAll(folder, 0o750)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(overlayManifest), 0o600)).To(Succeed())
		remove(ctx)
		makeNamespace(ctx, keysNamespace)
		applyOverlay(ctx, folder, "")
		took := mint(ctx, "elsewhere")
		r.is(true, "mints, %.1f s after the guardrails were in force", took.Seconds())
	}, SpecTimeout(2*patience))

	It("runs config/overlays/high-availability", func(ctx context.Context) {
		r := requirement("config/overlays/high-availability", "three verifiers on as many nodes")
		withdraw(ctx)
		prepare(ctx)
		applyOverlay(ctx, filepath.Join("config", "overlays", "high-availability"), "")
		awaitRollout(ctx)
		mint(ctx, "available")
		used := map[string]bool{}
		for _, pod := range pods(ctx, verifierComponent) {
			used[pod.Spec.NodeName] = true
		}
		r.is(len(used) == min(3, len(openNodes(ctx))), "%d verifiers on %d nodes", len(pods(ctx, verifierComponent)), len(used))
	}, SpecTimeout(2*patience))
}

// applyOverlay installs an overlay with the current image. It waits until the guardrails are in force in a namespace; empty: in that of the
// operator.
func applyOverlay(ctx context.Context, folder, guarded string) {
	GinkgoHelper()
	_, rendered, found := strings.Cut(kubectl(ctx, "kustomize", folder), "apiVersion:") // warnings come before it
	Expect(found).To(BeTrue())
	rendered = strings.ReplaceAll("apiVersion:"+rendered, "ghcr.io/apikey-operator/apikey-operator:dev", currentImage)
	Expect(rendered).To(ContainSubstring(currentImage))
	file := artefact("rendered.yaml")
	Expect(os.WriteFile(file, []byte(rendered), 0o600)).To(Succeed())
	kubectl(ctx, "apply", "--server-side", "-f", file)
	_, err := installation.AwaitGuardrailsIn(ctx, config, guarded)
	Expect(err).NotTo(HaveOccurred())
}
