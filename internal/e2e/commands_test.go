//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// try runs a command in a folder and returns what it printed.
func try(ctx context.Context, folder, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	// A make of its own, not a part of the one that runs the tests.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "MAKE") })
	start := time.Now()
	out, err := cmd.CombinedOutput()
	GinkgoWriter.Printf("%s, %.1f s: $ %s %s\n%s", start.Format(time.TimeOnly), time.Since(start).Seconds(), filepath.Base(program),
		strings.Join(args, " "), out)

	return string(out), err
}

// run is try for a command that must succeed.
func run(ctx context.Context, folder, program string, args ...string) string {
	GinkgoHelper()
	out, err := try(ctx, folder, program, args...)
	Expect(err).NotTo(HaveOccurred(), "%s %s:\n%s", program, strings.Join(args, " "), out)

	return out
}

// kubectlPath returns the kubectl of `make kube`, or of the PATH.
func kubectlPath() string {
	built := filepath.Join(root, "bin", "k8s", "kubectl")
	if _, err := os.Stat(built); err == nil {
		return built
	}

	return "kubectl"
}

// kubectl runs kubectl in the root of the repository.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()

	return run(ctx, root, kubectlPath(), args...)
}

// makeTarget runs a target of the Makefile of a folder with an image.
func makeTarget(ctx context.Context, folder, target, image string) string {
	GinkgoHelper()

	return run(ctx, folder, "make", target, "IMG="+image, "KUBECTL="+kubectlPath())
}

// fault does to the cluster what its API server cannot do.
func fault(ctx context.Context, args ...string) {
	GinkgoHelper()
	run(ctx, root, filepath.Join(root, "hack", "e2e", "faults.sh"), args...)
}
