// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/certs"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

// parts are what the verifier is made of.
type parts struct {
	options  options
	log      *slog.Logger
	cluster  *rest.RESTClient
	index    *keyindex.Index
	limiter  limiter
	usage    *usage.Recorder
	verifier *server.Verifier
	certs    *certs.Source // nil: no TLS
	observe  *observed
}

// limiter is a store of rate limits.
type limiter interface {
	server.Limiter
	Run(ctx context.Context)
	Close() error
}

// newParts makes all parts. Nothing runs yet.
func newParts(o options, log *slog.Logger, registry *prometheus.Registry) (*parts, error) {
	p := &parts{options: o, log: log, observe: newObserved(o, registry)}
	writer, err := p.connect()
	if err != nil {
		return nil, err
	}
	if p.certs, err = openCerts(o, log); err != nil {
		return nil, err
	}
	if p.index, err = keyindex.New(keyindex.Options{Log: log, Clock: clock.RealClock{}, Registerer: registry}); err != nil {
		return nil, err
	}
	if p.limiter, err = newLimiter(o, log, registry); err != nil {
		return nil, err
	}
	if p.usage, err = usage.New(usage.Options{
		Statuses: known{p.index}, Writer: writer, WritesPerSecond: o.lastUsedWrites,
		Clock: clock.RealClock{}, Log: log, Registerer: registry,
	}); err != nil {
		return nil, err
	}
	credentials, err := o.credentials()
	if err != nil {
		return nil, err
	}
	p.verifier, err = server.New(server.Options{
		Credentials: credentials,
		Index:       p.index, Limiter: p.limiter, Uses: uses{p.usage},
		Clock: clock.RealClock{}, Log: log, LogAllowed: o.logAllowed, LogRefused: o.logRefused, Registerer: registry,
	})

	return p, err
}

// connect makes the clients: one that watches, and one that writes the status of APIKeys.
func (p *parts) connect() (usage.StatusWriter, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (--kubeconfig, $KUBECONFIG, or a pod's service account): %w", err)
	}
	cfg.QPS = -1 // two watches, and writes that have a budget of their own
	if p.cluster, err = keyindex.NewClient(cfg); err != nil {
		return nil, err
	}
	// Without a mapper of its own it would ask the API server for its kinds, and fail to start without it.
	writing, err := client.New(cfg, client.Options{Scheme: scheme, Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.Host, err)
	}

	return writing.Status(), nil
}

// newLimiter opens the store of rate limits.
func newLimiter(o options, log *slog.Logger, registry *prometheus.Registry) (limiter, error) {
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

// inMemory is a store that has nothing to close.
type inMemory struct{ *ratelimit.Memory }

// Close implements limiter.
func (inMemory) Close() error { return nil }

// known is the index as usage sees it.
type known struct{ index *keyindex.Index }

// Known implements usage.Statuses.
func (k known) Known(of usage.Subject) (lastUsedAt time.Time, live bool) {
	subject := k.index.Subject(of.Namespace, of.Name, string(of.UID))
	if subject == nil {
		return time.Time{}, false
	}
	if subject.LastUsedAt == 0 {
		return time.Time{}, true
	}

	return time.Unix(subject.LastUsedAt, 0), true
}

// uses is usage as the server sees it.
type uses struct{ recorder *usage.Recorder }

// Used implements server.Uses.
func (u uses) Used(subject *access.Subject, at time.Time) {
	u.recorder.Record(usage.Subject{UID: types.UID(subject.UID), Namespace: subject.Namespace, Name: subject.Name}, at)
}

// mapper knows the one kind that is written.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion})
	// Not Add: it guesses the plural, wrongly.
	m.AddSpecific(v1alpha1.GroupVersion.WithKind("APIKey"), v1alpha1.GroupVersion.WithResource("apikeys"),
		v1alpha1.GroupVersion.WithResource("apikey"), meta.RESTScopeNamespace)

	return m
}
