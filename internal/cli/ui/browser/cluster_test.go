// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	operatorAccount = "apikey-operator-controller-manager"
	verifierAccount = "apikey-operator-verifier"
	systemNamespace = "apikey-operator-system"
	programGrace    = 20 * time.Second
)

// cluster is a control plane with everything that config/default installs, and the operator and the verifier as processes of their own.
type cluster struct {
	*testkit.ControlPlane

	admin client.Client
	// verifierURL is where gateways ask.
	verifierURL string
	programs    string
	operator    *process.Program
	running     []*process.Program
}

// theCluster is shared by all tests: each has a namespace of its own.
var theCluster struct {
	once    sync.Once
	cluster *cluster
	err     error
	stops   []func() error
}

// start returns the cluster, which the first test that needs it starts.
func start(t *testing.T) *cluster {
	t.Helper()
	theCluster.once.Do(func() { theCluster.cluster, theCluster.err = startCluster(t) })
	if theCluster.err != nil {
		t.Fatal(theCluster.err)
	}

	return theCluster.cluster
}

func startCluster(t *testing.T) (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	programs, err := os.MkdirTemp("", "apikey-page-") //nolint:usetesting // it outlives the test that starts the cluster
	if err != nil {
		return nil, err
	}
	theCluster.stops = append(theCluster.stops, func() error { return os.RemoveAll(programs) })
	plane, err := testkit.StartContext(ctx, testkit.Options{WithoutCRDs: true})
	if err != nil {
		return nil, err
	}
	theCluster.stops = append(theCluster.stops, plane.Stop)
	c := &cluster{ControlPlane: plane, programs: programs}
	theCluster.stops = append(theCluster.stops, c.stopPrograms)
	testkit.Build(t, filepath.Join(programs, "manager"), "./cmd")
	testkit.Build(t, filepath.Join(programs, "verifier"), "./cmd/verifier")
	if err := c.install(ctx); err != nil {
		return nil, err
	}
	if c.admin, err = plane.Client(); err != nil {
		return nil, err
	}
	if err := plane.StartControllerManager(ctx); err != nil {
		return nil, err
	}

	return c, errors.Join(c.startOperator(ctx), c.startVerifier(ctx))
}

// install applies config/default, the CRDs first, and waits until the guardrails answer.
func (c *cluster) install(ctx context.Context) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	kubeconfig, err := c.Kubeconfig("installer", "system:masters")
	if err != nil {
		return err
	}
	for _, part := range []string{"crd", "default"} {
		apply := exec.CommandContext(ctx, c.Program("kubectl"), "--kubeconfig", kubeconfig,
			"apply", "--server-side", "-k", filepath.Join(root, "config", part))
		apply.Stderr = os.Stderr
		if err := apply.Run(); err != nil {
			return err
		}
	}
	_, err = installation.AwaitGuardrails(ctx, c.Config)

	return err
}

// startOperator starts the operator as its service account.
func (c *cluster) startOperator(ctx context.Context) (err error) {
	c.operator, err = c.startProgram(ctx, "manager", operatorAccount, "--metrics-bind-address=0", "--leader-elect=false")

	return err
}

// startVerifier starts the verifier as its service account.
func (c *cluster) startVerifier(ctx context.Context) error {
	address, err := c.FreeAddress()
	if err != nil {
		return err
	}
	c.verifierURL = "http://" + address + "/verify"
	_, err = c.startProgram(ctx, "verifier", verifierAccount,
		"--http-bind-address="+address, "--grpc-bind-address=0", "--metrics-bind-address=0", "--drain-delay=0s")

	return err
}

func (c *cluster) startProgram(ctx context.Context, name, account string, args ...string) (*process.Program, error) {
	kubeconfig, err := c.Kubeconfig("system:serviceaccount:"+systemNamespace+":"+account,
		"system:serviceaccounts", "system:serviceaccounts:"+systemNamespace, "system:authenticated")
	if err != nil {
		return nil, err
	}
	probes, err := c.FreeAddress()
	if err != nil {
		return nil, err
	}
	args = append(args, "--kubeconfig="+kubeconfig, "--health-probe-bind-address="+probes)
	//nolint:noctx // Stop ends it with a grace period; a context would kill it.
	program, err := process.StartProgram(name, filepath.Join(c.programs, name+".log"), exec.Command(filepath.Join(c.programs, name), args...))
	if err != nil {
		return nil, err
	}
	c.running = append(c.running, program)
	probe := &http.Client{Timeout: 5 * time.Second}
	if err := program.AwaitReady(ctx, patience, func(ctx context.Context) error {
		return testkit.Get(ctx, probe, "http://"+probes+"/readyz")
	}); err != nil {
		return nil, program.Explain(err)
	}

	return program, nil
}

func (c *cluster) stopPrograms() error {
	for _, program := range slices.Backward(c.running) {
		program.Stop(nil, programGrace)
	}

	return nil
}

// stopCluster ends all that the cluster consists of.
func stopCluster() error {
	var errs []error
	for _, stop := range slices.Backward(theCluster.stops) {
		errs = append(errs, stop())
	}

	return errors.Join(errs...)
}
