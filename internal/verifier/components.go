// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/certs"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/program"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

// components are everything that a verifier runs.
type components struct {
	options Options
	log     *slog.Logger
	cluster *rest.RESTClient
	index   *keyindex.Index
	limiter limiter
	usage   *usage.Recorder
	core    *server.Verifier
	certs   *certs.Source // nil: no TLS

	metrics *program.MetricsServer
	probes  *program.Endpoint
	ready   readiness
	// evicted counts connections that were closed to make room.
	evicted prometheus.Counter
}

// limiter is a store of rate limits.
type limiter interface {
	server.Limiter
	Run(ctx context.Context)
	Close() error
}

// newComponents makes all components. It starts none of them.
func newComponents(o Options, log *slog.Logger, registry *prometheus.Registry) (*components, error) {
	c := &components{options: o, log: log, evicted: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "apikey_verifier_connections_evicted_total",
		Help: "Connections that were closed because there were more than --max-connections, or too many requests under way.",
	})}
	if err := registry.Register(c.evicted); err != nil {
		return nil, err
	}
	cfg, err := program.Cluster()
	if err != nil {
		return nil, err
	}
	if c.cluster, err = keyindex.NewClient(cfg); err != nil {
		return nil, err
	}
	if c.metrics, err = program.NewMetricsServer(o.Metrics, program.MetricsSource{
		Gatherer: registry, Evicted: c.evicted, Cluster: cfg, Log: log,
	}); err != nil {
		return nil, err
	}
	c.probes = &program.Endpoint{Address: o.ProbeAddress, Handler: c.ready.probes(), Evicted: c.evicted, Log: log}
	if c.certs, err = openCerts(o, log); err != nil {
		return nil, err
	}

	if err := registry.Register(program.NewSelfSignedGauge("apikey_verifier", "metrics", c.metrics.SelfSigned)); err != nil {
		return nil, err
	}
	if c.certs != nil {
		if err := registry.Register(program.NewSelfSignedGauge("apikey_verifier", "gateways", c.certs.SelfSigned)); err != nil {
			return nil, err
		}
	}

	return c, c.makeCore(registry)
}

// makeCore makes the components that a request passes.
func (c *components) makeCore(registry *prometheus.Registry) (err error) {
	if c.index, err = keyindex.New(keyindex.Options{
		Log: c.log, Clock: clock.RealClock{}, Registerer: registry, MaxStaleness: c.options.maxStaleness,
		Namespaces: c.options.Namespaces,
	}); err != nil {
		return err
	}
	if c.limiter, err = newLimiter(c.options, c.log, registry); err != nil {
		return err
	}
	if c.usage, err = usage.New(usage.Options{
		Subjects: c.index, Writer: usage.NewStatusWriter(c.cluster), WritesPerSecond: c.options.lastUsedWrites,
		Clock: clock.RealClock{}, Log: c.log, Registerer: registry,
	}); err != nil {
		return err
	}
	credentials, err := c.options.credentials()
	if err != nil {
		return err
	}
	c.core, err = server.New(server.Options{
		Credentials: credentials,
		Index:       c.index, Limiter: c.limiter, Uses: c.usage,
		Clock: clock.RealClock{}, Log: c.log, LogAllowed: c.options.logAllowed, LogRefused: c.options.logRefused, Registerer: registry,
		MaxStaleness: c.options.maxStaleness, PassStale: c.options.staleAction == stalePass,
	})

	return err
}

// newLimiter opens the store of rate limits.
func newLimiter(o Options, log *slog.Logger, registry *prometheus.Registry) (limiter, error) {
	store := o.rateLimitStore
	if store == memoryStore {
		store = cmp.Or(os.Getenv("RATE_LIMIT_STORE"), memoryStore)
	}
	if store == memoryStore {
		memory, err := ratelimit.NewMemory(clock.RealClock{}, registry)

		return inMemory{memory}, err
	}
	shared, err := ratelimit.NewShared(store, ratelimit.Options{
		Clock: clock.RealClock{}, Registerer: registry, Logger: log, Timeout: o.rateLimitStoreTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("--rate-limit-store: %w", err)
	}

	return shared, nil
}

// inMemory adds a Close without effect to a store in memory.
type inMemory struct{ *ratelimit.Memory }

// Close implements limiter.
func (inMemory) Close() error { return nil }

// openCerts opens the certificate of the servers for gateways; nil: they use no TLS.
func openCerts(o Options, log *slog.Logger) (*certs.Source, error) {
	if o.certDir == "" {
		return nil, nil //nolint:nilnil // every use checks for nil
	}

	return certs.Open(certs.Options{
		Dir: o.certDir, SelfSigned: o.selfSigned, ClientCAFile: o.clientCAFile, Clock: clock.RealClock{}, Log: log,
	})
}
