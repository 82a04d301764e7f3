// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// operatorStart is how long the operator may take to be ready: it takes about a second.
	operatorStart = 30 * time.Second
	// operatorGrace is how long the operator may take to end.
	operatorGrace = 10 * time.Second
)

// startOperator starts bin/manager as the service account of its manifests, and waits until it is ready.
func (c *cluster) startOperator(ctx context.Context, say narrator) (*program, error) {
	started := time.Now()
	kubeconfig, err := c.plane.Kubeconfig(c.account.user(), c.account.groups()...)
	if err != nil {
		return nil, err
	}
	probe, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	operator := &program{name: "operator", log: filepath.Join(c.folder, "operator.log"), grace: operatorGrace}
	if err := operator.start(filepath.Join(c.root, "bin", "manager"),
		"--kubeconfig="+kubeconfig, "--metrics-bind-address=0", "--health-probe-bind-address="+probe,
		"--zap-encoder=console", "--zap-stacktrace-level=panic"); err != nil {
		return nil, err
	}
	if err := operator.awaitReady(ctx, "http://"+probe+"/readyz"); err != nil {
		operator.stop()

		return nil, operator.explain(err)
	}
	say.held("the operator is ready (%s)", elapsed(started))
	say.note("it runs as %s,", c.account.user())
	say.note("with the rights that config/rbac gives it and no others")

	return operator, nil
}

// awaitReady waits until the URL answers 200.
func (p *program) awaitReady(ctx context.Context, url string) error {
	ctx, cancel := p.whileRunning(ctx)
	defer cancel()
	probe := &http.Client{Timeout: time.Second}
	last := errors.New("no answer")
	err := wait.PollUntilContextTimeout(ctx, pollInterval, operatorStart, true, func(ctx context.Context) (bool, error) {
		err := get(ctx, probe, url)
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
		return fmt.Errorf("the %s was not ready after %s: %w", p.name, operatorStart, last)
	}
}

// get returns nil if the URL answers 200.
func get(ctx context.Context, probe *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := probe.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}

	return nil
}

// freeAddress returns an address on loopback that nothing listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}

	return listener.Addr().String(), listener.Close()
}
