// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// Install applies a folder of manifests of the repository as a user would, and waits for the guardrails in a namespace; empty: in that of the
// operator. Nothing runs its Deployments: the cluster has no nodes and no controller for them.
func (c *ControlPlane) Install(ctx context.Context, folder, namespace string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	kubeconfig, err := c.Kubeconfig("installer", "system:masters")
	if err != nil {
		return err
	}
	kubectl := c.Program("kubectl")
	manifests, err := process.Command(ctx, kubectl, "kustomize", filepath.Join(root, folder)).Output()
	if err != nil {
		return fmt.Errorf("render %s: %w", folder, err)
	}
	apply := process.Command(ctx, kubectl, "--kubeconfig="+kubeconfig, "apply", "--server-side", "-f", "-")
	apply.Stdin = bytes.NewReader(manifests)
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("apply %s: %w\n%s", folder, err, out)
	}
	limited, cancel := context.WithTimeoutCause(ctx, installation.Limit, fmt.Errorf("not after %s", installation.Limit))
	defer cancel()
	_, err = installation.AwaitGuardrailsIn(limited, c.Config, namespace)

	return err
}

// InstallFor is Install for a test.
func (c *ControlPlane) InstallFor(t testing.TB, folder, namespace string) {
	t.Helper()
	if err := c.Install(t.Context(), folder, namespace); err != nil {
		t.Fatal(err)
	}
}
