// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"os/exec"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/installation"
)

// InstallFor applies a folder of manifests as a user would, and waits for the guardrails in a namespace; empty: in that of the operator.
func (c *ControlPlane) InstallFor(t testing.TB, folder, namespace string) {
	t.Helper()
	kubeconfig, err := c.Kubeconfig("installer", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	apply := exec.CommandContext(t.Context(), c.Program("kubectl"), "--kubeconfig="+kubeconfig, "apply", "--server-side", "-f", "-")
	apply.Stdin = bytes.NewReader(Kustomize(t, folder))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), installation.Limit)
	defer cancel()
	if _, err := installation.AwaitGuardrailsIn(ctx, c.Config, namespace); err != nil {
		t.Fatal(err)
	}
}
