// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
)

// run runs all components. Those in the background end last: requests that have begun still need them.
func (c *components) run(ctx context.Context) (err error) {
	// The background outlives ctx. It ends when one of its components fails, or when everything else is done.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, background := errgroup.WithContext(background)
	c.startBackground(background, group)
	defer func() {
		stop()
		err = errors.Join(err, group.Wait(), c.limiter.Close())
	}()

	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(background, cancel)
	select {
	case <-c.index.Synced():
	case <-serving.Done(): // no server has started yet
		return nil
	}
	if c.options.maxStaleness > 0 && c.index.AwaitConfirmed(serving) != nil {
		return nil
	}
	debug.FreeOSMemory() // decoding the first lists took most of the memory that the process ever needs
	c.log.Info("Every APIKey has been seen; gateways can ask.")

	return c.serve(serving)
}

// startBackground starts the components that the servers need, and the endpoints for the cluster.
func (c *components) startBackground(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { c.index.Run(ctx, c.cluster); return nil })
	group.Go(func() error { c.limiter.Run(ctx); return nil })
	group.Go(func() error { c.usage.Run(ctx); return nil })
	group.Go(func() error { c.summarizeRefusals(ctx); return nil })
	group.Go(func() error { return c.metrics.Start(ctx) })
	group.Go(func() error { return c.probes.Run(ctx) })
	if c.certs != nil {
		group.Go(func() error { return c.certs.Run(ctx) })
	}
}

// summarizeRefusals logs once a second how many refusals have no line of their own, until the context ends.
func (c *components) summarizeRefusals(ctx context.Context) {
	ticker := clock.RealClock{}.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		c.core.SummarizeRefusals(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// serve answers gateways until the context ends. Then /readyz fails, gateways have --drain-delay to notice, requests that have begun
// are answered, and the last uses are written.
func (c *components) serve(ctx context.Context) error {
	servers, err := c.listen(ctx)
	if err != nil {
		return err
	}
	group, failed := errgroup.WithContext(ctx)
	for _, s := range servers {
		group.Go(s.serve)
	}
	c.ready.Store(true)

	<-failed.Done()
	c.ready.Store(false)
	c.log.Info("Stopping: not ready any more, still answering.", "for", c.options.drainDelay.String())
	c.drain(servers)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.drainTimeout)
	defer cancel()
	for _, s := range servers {
		s.stop(ending)
	}
	err = group.Wait()
	if left := c.usage.Flush(ending); left > 0 {
		err = errors.Join(err, fmt.Errorf("%d last uses could not be written within --drain-timeout", left))
	}

	return err
}

// drain asks gateways to use another verifier, and gives them --drain-delay to do so.
func (c *components) drain(servers []*gatewayServer) {
	for _, s := range servers {
		s.drain()
	}
	timer := clock.RealClock{}.NewTimer(c.options.drainDelay)
	defer timer.Stop()
	<-timer.C()
}
