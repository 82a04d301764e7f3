// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// policyCRD is the CRD of the parameters of a guardrail.
const policyCRD = "config/crd/bases/apikey-operator.io_apikeypolicies.yaml"

// cluster is a control plane with the manifests of the project applied.
type cluster struct {
	root       string                               // of the checkout; commands run here
	folder     string                               // where files are put
	kubeconfig string                               // of an administrator
	accounts   map[string]guardrails.ServiceAccount // of the components
	kubectl    kubectl
	client     client.Client // of an administrator
	plane      *testkit.ControlPlane
}

// startCluster starts the control plane and installs the manifests.
func startCluster(ctx context.Context, say narrator, root, folder string) (_ *cluster, err error) {
	started := time.Now()
	plane, err := testkit.StartContext(ctx, testkit.Options{WithoutCRDs: true})
	if err != nil {
		return nil, err
	}
	c := &cluster{root: root, folder: folder, plane: plane}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop(process.AtOnce()))
		}
	}()
	if err := c.addAdministrator(); err != nil {
		return nil, err
	}
	say.held("etcd and kube-apiserver are ready (%s)", elapsed(started))
	if err := c.install(ctx, say); err != nil {
		return nil, err
	}
	// After the CRDs: the garbage collector looks for kinds when it starts, and then only every 30 seconds.
	if err := plane.StartControllerManager(ctx); err != nil {
		return nil, err
	}
	say.held("kube-controller-manager is started: it collects the Secrets of deleted APIKeys")

	return c, nil
}

// addAdministrator makes the ways in: a kubeconfig for people and kubectl, a client for the checks.
func (c *cluster) addAdministrator() error {
	written, err := c.plane.Kubeconfig("admin", "system:masters")
	if err != nil {
		return err
	}
	c.kubeconfig = filepath.Join(c.folder, "kubeconfig") // short, because people paste it
	if err := os.Rename(written, c.kubeconfig); err != nil {
		return err
	}
	c.kubectl = kubectl{
		program: c.plane.Program("kubectl"), kubeconfig: c.kubeconfig,
		cache: filepath.Join(c.folder, "cache"), workDir: c.root,
	}
	c.client, err = c.plane.Client()

	return err
}

// install applies config/default as it stands, but for what needs nodes or other operators.
func (c *cluster) install(ctx context.Context, say narrator) error {
	started := time.Now()
	rendered, err := c.kubectl.run(ctx, "kustomize", "config/default")
	if err != nil {
		return err
	}
	parts, err := sortOut(strings.NewReader(rendered))
	if err != nil {
		return fmt.Errorf("config/default: %w", err)
	}
	c.accounts = parts.accounts
	// As `make deploy` does: the API server looks for the kinds of parameters of policies only every 30 seconds.
	if _, err := c.kubectl.run(ctx, "apply", "--server-side", "-f", policyCRD); err != nil {
		return err
	}
	if _, err := c.kubectl.run(ctx, "wait", "--for=condition=Established", "--timeout="+installation.Limit.String(), "-f", policyCRD); err != nil {
		return err
	}
	if _, err := c.kubectl.with(parts.apply).run(ctx, "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, installation.Limit, fmt.Errorf("not after %s", installation.Limit))
	defer cancel()
	if _, err := installation.AwaitGuardrails(limited, c.plane.Config); err != nil {
		return err
	}
	say.held("config/default is applied (%s): guardrails, CRDs, namespace, RBAC", elapsed(started))
	say.note("but not its %s: this cluster has no nodes, so bin/manager and bin/verifier run right here", strings.Join(parts.left, " and "))

	return nil
}

// stop ends the control plane, the programs that use the API server first, and kills what is left when hurry is closed.
func (c *cluster) stop(hurry <-chan struct{}) error { return leftover(c.plane.StopHurried(hurry)) }
