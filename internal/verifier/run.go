// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/certs"
)

// run runs the verifier until the context ends, and then until what has begun is done.
func run(ctx context.Context, o options, log *slog.Logger) error {
	defer runtime.KeepAlive(setCollector())
	registry := prometheus.NewRegistry()
	if err := errors.Join(
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		registry.Register(collectors.NewBuildInfoCollector())); err != nil {
		return err
	}
	p, err := newParts(o, log, registry) //nolint:contextcheck // what it starts ends with Close, later than this context
	if err != nil {
		return err
	}

	return p.run(ctx)
}

// run runs all parts. What works in the background ends last: requests that have begun still need it.
func (p *parts) run(ctx context.Context) (err error) {
	// The background outlives the order to stop, and ends when it fails or when all is done.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, background := errgroup.WithContext(background)
	p.startBackground(background, group)
	defer func() {
		stop()
		err = errors.Join(err, group.Wait(), p.limiter.Close())
	}()

	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(background, cancel)
	select {
	case <-p.index.Synced():
	case <-serving.Done(): // nothing was served yet, so there is nothing to end
		return nil
	}
	debug.FreeOSMemory() // what decoding every object took, at once: it is most of what the process ever needs
	p.log.Info("Every APIKey has been seen; gateways can ask.")

	return p.serve(serving)
}

// startBackground starts what the servers rely on.
func (p *parts) startBackground(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { p.index.Run(ctx, p.cluster); return nil })
	group.Go(func() error { p.limiter.Run(ctx); return nil })
	group.Go(func() error { p.usage.Run(ctx); return nil })
	group.Go(func() error { return p.observe.run(ctx) })
	group.Go(func() error { p.summarize(ctx); return nil })
	if p.certs != nil {
		group.Go(func() error { return p.certs.Run(ctx) })
	}
}

// summarize logs once a second what the access log has left out, until the context ends.
func (p *parts) summarize(ctx context.Context) {
	ticker := clock.RealClock{}.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		p.verifier.SummarizeRefusals(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// serve answers gateways until the context ends, then goes out in order: no longer ready, a while for gateways to notice,
// the requests that have begun, the last uses.
func (p *parts) serve(ctx context.Context) error {
	servers, err := p.listen(ctx)
	if err != nil {
		return err
	}
	group, failed := errgroup.WithContext(ctx)
	for _, s := range servers {
		group.Go(s.serve)
	}
	p.observe.ready.Store(true)

	<-failed.Done()
	p.observe.ready.Store(false)
	p.log.Info("Asked to stop: no longer ready, still answering.", "for", p.options.drainDelay.String())
	p.awaitDrain(servers)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.options.drainTimeout)
	defer cancel()
	for _, s := range servers {
		s.stop(ending)
	}
	err = group.Wait()
	if left := p.usage.Flush(ending); left > 0 {
		err = errors.Join(err, fmt.Errorf("%d last uses could not be written within --drain-timeout", left))
	}

	return err
}

// awaitDrain tells gRPC clients to look elsewhere, and waits until gateways have noticed.
func (p *parts) awaitDrain(servers []*endpoint) {
	for _, s := range servers {
		s.drain()
	}
	timer := clock.RealClock{}.NewTimer(p.options.drainDelay)
	defer timer.Stop()
	<-timer.C()
}

// openCerts reads the certificates, where there are to be any.
func openCerts(o options, log *slog.Logger) (*certs.Source, error) {
	if o.certDir == "" {
		return nil, nil //nolint:nilnil // no TLS is a choice, and every use asks
	}

	return certs.Open(certs.Options{
		Dir: o.certDir, SelfSigned: o.selfSigned, ClientCAFile: o.clientCAFile, Clock: clock.RealClock{}, Log: log,
	})
}
