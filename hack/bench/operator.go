// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strconv"
)

// launch is how the operator is started.
type launch struct {
	// program is the path of the manager.
	program string
	// workers is how many APIKeys it reconciles at once.
	workers int
}

// withOperator runs the operator for as long as do takes, as an administrator: what it may do is not measured here,
// and neither are the guardrails, which know it under another name.
func (c *cluster) withOperator(ctx context.Context, how launch, do func(context.Context, *program) error) error {
	kubeconfig, err := c.plane.Kubeconfig("bench", "system:masters")
	if err != nil {
		return err
	}

	return c.withProgram(ctx, invocation{
		name: "operator", path: how.program, target: "bench-mint",
		args: func([]string) []string {
			return []string{
				"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--concurrent-reconciles=" + strconv.Itoa(how.workers),
				"--metrics-secure=false", "--require-guardrails=false",
			}
		},
	}, do)
}
