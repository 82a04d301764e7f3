// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// programStart is how long a program may take to be ready: it takes about a second, and more on a busy machine.
	programStart = 2 * time.Minute
	// programGrace is how long a program may take to end. The verifier gives requests and last writes 15 seconds.
	programGrace = 20 * time.Second
)

// startOperator starts bin/manager.
func (c *cluster) startOperator(ctx context.Context, say narrator) (*process.Program, error) {
	return c.startProgram(ctx, say, operatorComponent, "operator",
		"--metrics-bind-address=0")
}

// startVerifier starts bin/verifier, and returns the URL at which gateways ask it.
func (c *cluster) startVerifier(ctx context.Context, say narrator) (*process.Program, *url.URL, error) {
	address, err := c.plane.FreeAddress()
	if err != nil {
		return nil, nil, err
	}
	verifier, err := c.startProgram(ctx, say, verifierComponent, "verifier",
		"--http-bind-address="+address, "--grpc-bind-address=0", "--metrics-bind-address=0",
		"--log-allowed=1", "--drain-delay=0s")

	return verifier, &url.URL{Scheme: "http", Host: address}, err
}

// startProgram starts a program from bin, which has the name of its component, as the service account of its manifests,
// and waits until it is ready.
func (c *cluster) startProgram(ctx context.Context, say narrator, component, name string, args ...string) (*process.Program, error) {
	started := time.Now()
	account := c.accounts[component]
	kubeconfig, err := c.plane.Kubeconfig(account.Username(), groups(account)...)
	if err != nil {
		return nil, err
	}
	probes, err := c.plane.FreeAddress()
	if err != nil {
		return nil, err
	}
	args = append(args, "--kubeconfig="+kubeconfig, "--health-probe-bind-address="+probes)
	//nolint:noctx // Stop ends it with a grace period; a context would kill it.
	p, err := process.StartProgram(name, filepath.Join(c.folder, name+".log"), exec.Command(filepath.Join(c.root, "bin", component), args...))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: time.Second}
	err = p.AwaitReady(ctx, programStart, func(ctx context.Context) error { return testkit.Get(ctx, client, "http://"+probes+"/readyz") })
	if err != nil {
		p.Stop(process.AtOnce(), 0)

		return nil, p.Explain(err)
	}
	say.held("the %s is ready (%s)", name, elapsed(started))
	say.note("it runs as %s,", account.Username())
	say.note("with the rights that config/default gives it and no others")

	return p, nil
}
