// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// Kill kills etcd, kube-apiserver or kube-controller-manager, and waits until it is gone.
func (c *ControlPlane) Kill(program string) error {
	s, ok := c.servers[program]
	if !ok {
		return fmt.Errorf("%s is not running", program)
	}
	s.Stop(process.AtOnce(), 0)

	return nil
}

// Restart starts etcd, kube-apiserver or kube-controller-manager again after Kill, at its port and with its data, and waits until etcd or
// kube-apiserver is ready.
func (c *ControlPlane) Restart(ctx context.Context, program string) error {
	s, ok := c.servers[program]
	if !ok {
		return fmt.Errorf("%s was not running", program)
	}

	return c.run(ctx, s)
}

// AwaitAPIServer waits until the API server is ready.
func (c *ControlPlane) AwaitAPIServer(ctx context.Context) error {
	return wait.PollUntilContextCancel(ctx, serverPoll, true, func(ctx context.Context) (bool, error) {
		return c.servers["kube-apiserver"].ready(ctx) == nil, nil
	})
}
