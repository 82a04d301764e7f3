// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

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
func (c *cluster) startOperator(ctx context.Context, say narrator) (*program, error) {
	return c.startProgram(ctx, say, operatorComponent, "operator",
		"--metrics-bind-address=0", "--zap-encoder=console", "--zap-stacktrace-level=panic")
}

// startVerifier starts bin/verifier, and returns where gateways ask it.
func (c *cluster) startVerifier(ctx context.Context, say narrator) (*program, *url.URL, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := c.startProgram(ctx, say, verifierComponent, "verifier",
		"--http-bind-address="+address, "--grpc-bind-address=0", "--metrics-bind-address=0",
		"--log-allowed=1", "--drain-delay=0s")

	return verifier, &url.URL{Scheme: "http", Host: address}, err
}

// startProgram starts a program from bin, which is called as its component is, as the service account of its manifests,
// and waits until it is ready.
func (c *cluster) startProgram(ctx context.Context, say narrator, component, name string, args ...string) (*program, error) {
	started := time.Now()
	account := c.accounts[component]
	kubeconfig, err := c.plane.Kubeconfig(account.Username(), groups(account)...)
	if err != nil {
		return nil, err
	}
	probe, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p := &program{name: name, log: filepath.Join(c.folder, name+".log"), grace: programGrace}
	args = append(args, "--kubeconfig="+kubeconfig, "--health-probe-bind-address="+probe)
	if err := p.start(filepath.Join(c.root, "bin", component), args...); err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx, "http://"+probe+"/readyz"); err != nil {
		p.stop(process.AtOnce())

		return nil, p.explain(err)
	}
	say.held("the %s is ready (%s)", name, elapsed(started))
	say.note("it runs as %s,", account.Username())
	say.note("with the rights that config/default gives it and no others")

	return p, nil
}

// awaitReady waits until the URL answers 200.
func (p *program) awaitReady(ctx context.Context, url string) error {
	ctx, cancel := p.whileRunning(ctx)
	defer cancel()
	probe := &http.Client{Timeout: time.Second}
	last := errors.New("no answer")
	err := wait.PollUntilContextTimeout(ctx, pollInterval, programStart, true, func(ctx context.Context) (bool, error) {
		err := testkit.Get(ctx, probe, url)
		if ctx.Err() != nil { // says nothing: the answer before does
			return false, ctx.Err()
		}
		last = err

		return last == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	default:
		return fmt.Errorf("the %s was not ready after %s: %w", p.name, programStart, last)
	}
}

// freeAddress returns an address on loopback that nothing listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}

	return listener.Addr().String(), listener.Close()
}
