// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/hack/progress"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// startTimeout is how long a program may take until it is ready, also with 100,000 keys on a busy machine.
	startTimeout = 10 * time.Minute
	// stopGrace is how long a program may take to end before it is killed.
	stopGrace = 20 * time.Second
)

// cluster is the control plane that a benchmark runs against.
type cluster struct {
	plane  *testkit.ControlPlane
	client client.WithWatch
	http   *http.Client
	log    *progress.Log
	hurry  <-chan struct{} // when it is closed, programs are killed
}

// runBenchmark starts a cluster, measures in it and prints the report.
func runBenchmark(c *cobra.Command, hurry <-chan struct{}, r *report, in **cluster, measure func(context.Context) error) (err error) {
	ctx := c.Context()
	if *in, err = startCluster(ctx, hurry, progress.New(c.ErrOrStderr())); err == nil {
		err = errors.Join(measure(ctx), (*in).stop())
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx) // what failed is only the consequence
	}

	return r.conclude(c.OutOrStdout(), err)
}

// builtProgram returns the path of a program in bin of this checkout.
func builtProgram(name string) string {
	root, _ := testkit.Root() // outside of a checkout, the path is that below the working directory

	return filepath.Join(root, "bin", name)
}

// startCluster starts a control plane. The caller stops it. One connection carries all requests, as in the operator.
func startCluster(ctx context.Context, hurry <-chan struct{}, log *progress.Log) (c *cluster, err error) {
	log.Printf("starting etcd and kube-apiserver")
	c = &cluster{log: log, hurry: hurry}
	if c.plane, err = testkit.StartContext(ctx, testkit.Options{}); err != nil {
		return nil, err
	}
	if c.http, err = rest.HTTPClientFor(c.plane.Config); err == nil {
		c.client, err = client.NewWithWatch(c.plane.Config, client.Options{Scheme: testkit.Scheme(), HTTPClient: c.http})
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}

	return c, nil
}

// stop ends the control plane and removes its files.
func (c *cluster) stop() error {
	c.log.Printf("stopping etcd and kube-apiserver")

	return c.plane.StopHurried(c.hurry)
}

// invocation says how to start a program under test.
type invocation struct {
	// name is what messages call the program.
	name string
	// path is the file of the program, and target the make target that builds it.
	path, target string
	// addresses are where the program listens, beside its metrics and probes. An empty one becomes a free address on loopback.
	addresses []string
	// args returns its arguments, given those addresses.
	args func(addresses []string) []string
	// environment has more variables.
	environment []string
}

// program is a program under test. Each has /metrics, and /readyz.
type program struct {
	*process.Program

	metrics string
	ready   string
	// addresses are those of the invocation.
	addresses []string
}

// withProgram starts a program, waits until it is ready, calls do and stops the program. The context of do ends when the program does.
func (c *cluster) withProgram(ctx context.Context, how invocation, do func(context.Context, *program) error) error {
	addresses, err := c.fill(append([]string{"", ""}, how.addresses...))
	if err != nil {
		return err
	}
	metrics, probes := addresses[0], addresses[1]
	p := &program{metrics: "http://" + metrics + "/metrics", ready: "http://" + probes + "/readyz", addresses: addresses[2:]}
	args := how.args
	how.args = func(own []string) []string {
		return append(args(own), "--metrics-bind-address="+metrics, "--health-probe-bind-address="+probes)
	}
	ready := func(ctx context.Context) error { return testkit.Get(ctx, http.DefaultClient, p.ready) }

	return c.runProgram(ctx, p, how, ready, do)
}

// fill replaces empty addresses.
func (c *cluster) fill(addresses []string) (filled []string, err error) {
	for _, address := range addresses {
		if address == "" {
			if address, err = c.plane.FreeAddress(); err != nil {
				return nil, err
			}
		}
		filled = append(filled, address)
	}

	return filled, nil
}

// runProgram starts the process of a program, waits until it is ready, calls do and stops it. An error shows the end of the program's log.
func (c *cluster) runProgram(
	ctx context.Context, p *program, how invocation, ready func(context.Context) error, do func(context.Context, *program) error,
) (err error) {
	cmd := exec.Command(how.path, how.args(p.addresses)...) //nolint:noctx // Stop ends it with a grace period; a context would kill it.
	cmd.Env = append(os.Environ(), how.environment...)
	if p.Program, err = process.StartProgram(how.name, filepath.Join(c.plane.Folder(), how.name+".log"), cmd); err != nil {
		return fmt.Errorf("%w (run `make %s`, which builds it)", err, how.target)
	}
	defer p.Stop(c.hurry, stopGrace)
	ctx, cancel := p.WhileRunning(ctx)
	defer cancel()
	if err = p.AwaitReady(ctx, startTimeout, ready); err == nil {
		err = do(ctx, p)
	}
	if err != nil {
		return p.Explain(err)
	}

	return nil
}

// inParallel calls do for 0 to n-1, at most workers at once. It returns the first error, which cancels the rest.
func inParallel(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := 0; i < n && running.Err() == nil; i++ {
		group.Go(func() error {
			if running.Err() != nil { // ended while Go waited for a worker
				return context.Cause(running)
			}

			return do(running, i)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}

	return context.Cause(ctx)
}

// pause waits. It returns the cause of the context if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withTimeout bounds a step and names it in the error.
func withTimeout(ctx context.Context, d time.Duration, step string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%s took longer than %s", step, d))
}
