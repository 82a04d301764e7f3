// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The accounts of config/default. The guardrails let only these write what the programs write.
const (
	systemNamespace = "apikey-operator-system"
	operatorAccount = "apikey-operator-controller-manager"
	verifierAccount = "apikey-operator-verifier"
)

// account is a user of the API server.
type account struct {
	name   string
	groups []string
}

// administrator may do everything that the guardrails leave to users.
func administrator() account { return account{name: "bench", groups: []string{"system:masters"}} }

// installedAccount returns a service account of config/default.
func installedAccount(name string) account {
	return account{
		name:   "system:serviceaccount:" + systemNamespace + ":" + name,
		groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace, "system:authenticated"},
	}
}

// install applies config/default as `make deploy` does, and waits until the API server enforces the guardrails. No node runs its Deployments.
func (c *cluster) install(ctx context.Context) error {
	c.log.Printf("installing config/default, with the guardrails")

	return c.plane.Install(ctx, "config/default", "")
}

// kubectl runs kubectl as an administrator and returns its output.
func (c *cluster) kubectl(ctx context.Context, args ...string) ([]byte, error) {
	kubeconfig, err := c.plane.Kubeconfig(administrator().name, administrator().groups...)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, c.plane.Program("kubectl"), append(args, "--kubeconfig="+kubeconfig)...)
	var failure bytes.Buffer
	command.Stderr = &failure
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(failure.String()))
	}

	return output, nil
}

// clientOf returns a client of an account, with a connection of its own, as a program has.
func (c *cluster) clientOf(of account) (client.Client, error) {
	config, err := c.plane.User(of.name, of.groups...)
	if err != nil {
		return nil, err
	}
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}

	return client.New(config, client.Options{Scheme: testkit.Scheme(), HTTPClient: http})
}
