// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
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

// addAdministrator makes a kubeconfig for users and kubectl, and a client for the checks.
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

// install applies config/default without the objects that need nodes or other operators.
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
