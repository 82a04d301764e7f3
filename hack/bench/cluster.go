// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// cluster is the control plane that a benchmark runs against.
type cluster struct {
	plane  *testkit.ControlPlane
	client client.WithWatch
	http   *http.Client
	log    *progress
	hurry  <-chan struct{} // once it is closed, programs are killed and not asked to end
}

// startCluster starts a control plane of the benchmark's own. The caller stops it.
func startCluster(ctx context.Context, hurry <-chan struct{}, log *progress) (*cluster, error) {
	log.printf("starting etcd and kube-apiserver")
	plane, err := testkit.StartContext(ctx, testkit.Options{})
	if err != nil {
		return nil, err
	}
	c := &cluster{plane: plane, log: log, hurry: hurry}
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, c.stop())
	}

	return c, nil
}

// connect makes the clients. One connection carries them all, as in the operator.
func (c *cluster) connect() error {
	var err error
	if c.http, err = rest.HTTPClientFor(c.plane.Config); err != nil {
		return err
	}
	c.client, err = client.NewWithWatch(c.plane.Config, client.Options{Scheme: testkit.Scheme(), HTTPClient: c.http})

	return err
}

// stop ends the control plane and removes its files.
func (c *cluster) stop() error {
	c.log.printf("stopping etcd and kube-apiserver")

	return c.plane.StopHurried(c.hurry)
}

// progress prints what the benchmark is doing and for how long it has been at it.
type progress struct {
	out     io.Writer
	started time.Time
}

func newProgress(out io.Writer) *progress { return &progress{out: out, started: time.Now()} }

func (p *progress) printf(format string, args ...any) {
	elapsed := time.Since(p.started).Truncate(time.Second)
	_, _ = fmt.Fprintf(p.out, "[%6s] %s\n", elapsed, fmt.Sprintf(format, args...))
}

// inParallel calls do for 0 to n-1 with so many at once. The first error cancels the rest and is returned.
func inParallel(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()

	return context.Cause(ctx)
}

// pause waits, unless the context ends, whose cause it then returns.
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
